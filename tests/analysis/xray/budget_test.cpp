#include "analysis/xray/budget.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/xray/document.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;

json document() {
  return test::document_of({test::run_of("a:x float32 n=1", {{"sectors", 10}}),
                            test::run_of("a:y float32 n=1", {{"sectors", 20}})});
}

TEST(Budget, HoldsForWhatItWasMadeOfAndForLess) {
  const Budget budget = budget_of(document(), "13.0");
  EXPECT_EQ(excesses(document(), budget), Lines());
  json less = document();
  less["ladder"][0]["total"]["global"]["sectors"] = 9;
  EXPECT_EQ(excesses(less, budget), Lines());
}

TEST(Budget, EveryExcessIsALine) {
  const Budget budget = budget_of(document(), "13.0");
  json more = document();
  more["ladder"][0]["total"]["global"]["sectors"] = 11;
  more["ladder"][1]["launched"] = 2;
  more["ladder"][1]["total"]["moved_bytes"] = 960;
  EXPECT_EQ(excesses(more, budget), (Lines{"a:x float32 n=1: sectors 11, budget 10",
                                           "a:y float32 n=1: launches 2, budget 1",
                                           "a:y float32 n=1: moved_over_compulsory 3.0000, budget "
                                           "2.0000"}));
  more = document();
  more["ladder"].push_back(test::run_of("a:z", {}));
  EXPECT_EQ(excesses(more, budget), Lines{"a:z: has no budget"});
  more = document();
  more["ladder"][0]["status"] = "disagrees";
  more["ladder"][0]["reason"] = "result 1: off";
  EXPECT_EQ(excesses(more, budget), Lines{"a:x float32 n=1: result 1: off"});
}

TEST(Budget, ARunThatIsGoneCountsOnlyForTheWholeTarget) {
  const Budget budget = budget_of(document(), "13.0");
  json fewer = document();
  fewer["ladder"].erase(1);
  EXPECT_EQ(excesses(fewer, budget), Lines{"a:y float32 n=1: has a budget and does not run"});
  fewer["target"]["name"] = "family:x";
  EXPECT_EQ(excesses(fewer, budget), Lines());
}

TEST(Budget, WhatRefusesHasNoneAndWhatFailsIsAnError) {
  json some = document();
  some["ladder"][0]["status"] = "refused";
  EXPECT_EQ(budget_of(some, "13.0").runs.size(), 1U);
  EXPECT_EQ(excesses(some, budget_of(some, "13.0")), Lines());
  some["ladder"][0]["status"] = "failed";
  EXPECT_THROW(budget_of(some, "13.0"), Error);
}

TEST(Budget, IsReadAsItWasWritten) {
  const TemporaryDirectory scratch;
  const std::string file = (scratch / "family.json").string();
  const Budget budget = budget_of(document(), "13.0");
  write_file_atomic(file, to_json_lines(budget));
  const Budget read = read_budget(file);
  EXPECT_EQ(read.toolkit, "13.0");
  EXPECT_EQ(read.target, "family");
  EXPECT_EQ(read.runs, budget.runs);
  EXPECT_EQ(to_markdown(read), to_markdown(budget));
  EXPECT_NE(to_markdown(read).find("## a float32 n=1\n"), std::string::npos);

  write_file_atomic(file, R"({"toolkit": "13.0", "target": "f", "runs": [{"run": "a"}]})");
  try {
    read_budget(file);
    ADD_FAILURE() << "took a run without numbers";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("family.json: a: the number launches is missing"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace switchyard::xray

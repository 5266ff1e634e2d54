// `switchyard hessian --compare`: the top subspaces of several runs.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class HessianCompareTest : public AppTest {
 protected:
  HessianCompareTest() {
    expect_success(train("sparse") + Arguments{"--head", "sparse_moe"});
    expect_success(train("dense") + Arguments{"--head", "dense"});
  }
  Arguments compare(const Arguments& more) const {
    return Arguments{"hessian", "--run",    path("sparse"), "--threads",    "1",
                     "--set",   "images=8", "--set",        "batch_size=4", "--compare"} +
           more;
  }
};

TEST_F(HessianCompareTest, FindsTheAnglesBetweenRunsOnABlockThatTheyShare) {
  const std::string text =
      expect_success(compare({path("dense"), path("sparse"), "--top", "2", "--blocks",
                              "backbone.backbone.conv1", "--json"}));
  const json section = json::parse(text);
  EXPECT_EQ(section["complete"], true);
  for (const char* set : {"train", "test"}) {
    const json& block = section["sets"][set][0];
    EXPECT_EQ(block["name"], "backbone.backbone.conv1");
    ASSERT_EQ(block["runs"].size(), 3U);
    EXPECT_EQ(block["runs"][1]["name"], "dense");
    EXPECT_EQ(block["runs"][0]["top"]["pairs"].size(), 2U);
    ASSERT_EQ(block["pairs"].size(), 3U);
    for (const json& pair : block["pairs"]) {
      const bool same = pair["a"] == 0 && pair["b"] == 2;
      EXPECT_EQ(pair["cosines"].size(), 2U);
      if (same) {
        EXPECT_NEAR(pair["overlap"], 1.0, 1e-6);
      } else {
        EXPECT_LT(pair["overlap"], 0.999);
      }
      EXPECT_NEAR(pair["by_chance"], 2.0 / (9 * 3 * 16), 2.0 / (9 * 3 * 16));
    }
  }
  EXPECT_EQ(json::parse(read_file(path("sparse/results.json")))["subspaces"], section);
  EXPECT_FALSE(std::filesystem::exists(path("sparse/hessian")));
}

TEST_F(HessianCompareTest, AnswersBadRequestsWithOneLine) {
  expect_failure(compare({path("dense"), "--blocks", "head"}), 2, "such as backbone");
  expect_failure(compare({path("dense"), "--blocks", "nothing"}), 2, "matches no parameter");
  expect_failure(compare({path("nowhere")}), 1, "no run directory");
  expect_failure(compare({path("dense"), "--density"}), 2, "--density");
  expect_failure(compare({path("dense"), "--time-limit", "1e-9"}), 1, "before the first product");
  expect_failure({"hessian", "--model", "{}", "--weights", "w", "--batch", "b", "--compare", "d"},
                 2, "--run");
}

}  // namespace
}  // namespace switchyard::test

#include "analysis/xray/difference.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "tests/analysis/xray/document.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;

TEST(Difference, NamesRunKernelAndMeasure) {
  const json before = test::document_of({test::run_of("a", {{"sectors", 10}})});
  const json now = test::document_of({test::run_of("a", {{"sectors", 15}})});
  EXPECT_TRUE(difference(before, before, "old")["runs"].empty());
  const json changed = difference(before, now, "old");
  ASSERT_EQ(changed["runs"].size(), 1U);
  const json& run = changed["runs"][0];
  EXPECT_EQ(run["change"], "changed");
  EXPECT_EQ(run["measures"]["sectors"], (json{{"before", 10.0}, {"now", 15.0}}));
  EXPECT_EQ(run["measures"].size(), 2U) << run["measures"];  // moved_bytes too
  EXPECT_EQ(run["kernels"][0]["name"], "kernel");
  EXPECT_NE(difference_text(changed).find("+50.0 %"), std::string::npos);
  EXPECT_EQ(difference_text(difference(before, before, "old")), "nothing changed\n");
}

TEST(Difference, AKernelThatWorksForAnotherIsSeenThoughTheSumIsTheSame) {
  json before = test::document_of({test::run_of("a", {{"sectors", 10}})});
  json now = before;
  now["ladder"][0]["launches"][0]["name"] = "other";
  const json changed = difference(before, now, "old");
  ASSERT_EQ(changed["runs"].size(), 1U);
  EXPECT_TRUE(changed["runs"][0]["measures"].empty());
  EXPECT_EQ(changed["runs"][0]["kernels"].size(), 2U);
}

TEST(Difference, RunsComeAndGo) {
  const json before = test::document_of({test::run_of("a", {{"sectors", 10}})});
  const json now = test::document_of({test::run_of("b", {{"sectors", 10}})});
  const json changed = difference(before, now, "old");
  ASSERT_EQ(changed["runs"].size(), 2U);
  EXPECT_EQ(changed["runs"][0]["change"], "removed");
  EXPECT_EQ(changed["runs"][1]["change"], "added");
}

TEST(Difference, AnotherDocumentIsRefused) {
  const json now = test::document_of({test::run_of("a", {})});
  EXPECT_THROW(difference(json::array(), now, "old.json"), Error);
  json broken = now;
  broken["ladder"][0].erase("total");
  EXPECT_THROW(difference(broken, now, "old.json"), Error);
}

}  // namespace
}  // namespace switchyard::xray

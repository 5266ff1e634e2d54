#include "analysis/xray/measures.h"

#include <gtest/gtest.h>

namespace switchyard::test {
namespace {

using nlohmann::json;

json launch(const std::vector<std::vector<int>>& curve) {
  json points = json::array();
  for (const auto& point : curve) {
    points.push_back(
        {{"cache_bytes", point[0]}, {"read_bytes", point[1]}, {"written_bytes", point[2]}});
  }
  return {{"cache", {{"curve", points}}}};
}

TEST(XrayMeasures, DramMovesWhatTheSmallestMeasuredCacheThatIsLargeEnoughLetsPass) {
  const json run = {{"launches",
                     {launch({{32, 900, 90}, {64, 400, 40}, {128, 100, 10}}),
                      launch({{32, 5000, 500}, {64, 1000, 100}})}}};
  EXPECT_EQ(xray::dram_bytes(run, 64), 400 + 40 + 1000 + 100);
  EXPECT_EQ(xray::dram_bytes(run, 65), 100 + 10 + 1000 + 100);
  EXPECT_EQ(xray::dram_bytes(run, 1e9), 100 + 10 + 1000 + 100);
}

TEST(XrayMeasures, WithoutCachesThereIsNoDram) {
  EXPECT_EQ(xray::dram_bytes({{"launches", {json::object()}}}, 64), 0.0);
}

}  // namespace
}  // namespace switchyard::test

// `switchyard xray` on the kernels of the program itself. Skipped where it was built without nvcc.

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class XrayTargetsTest : public testing::Test {
 protected:
  void SetUp() override {
    const ProgramResult result = run_switchyard({"xray", "op:relu", "--size", "4"});
    if (result.err.find("built without nvcc") != std::string::npos) GTEST_SKIP() << result.err;
  }
  static json document(const Arguments& arguments) {
    return json::parse(expect_success(Arguments{"xray"} + arguments + Arguments{"--json"}));
  }
  std::string path(const std::string& name) const { return (scratch_ / name).string(); }

 private:
  TemporaryDirectory scratch_;
};

TEST_F(XrayTargetsTest, ALadderStandsSideBySide) {
  const json made = document({"softmax_forward", "rows=8", "columns=64", "--dtype", "float32"});
  EXPECT_EQ(made["target"]["kind"], "kernels");
  ASSERT_GE(made["ladder"].size(), 3U);
  for (const json& run : made["ladder"]) {
    EXPECT_EQ(run["status"], "ran") << run["reason"];
    EXPECT_EQ(run["compulsory"]["bytes"], 2 * 8 * 64 * 4);
    EXPECT_EQ(run["launched"], 1);
    EXPECT_EQ(run["launches"][0]["pass"], "call");
    EXPECT_EQ(run["total"]["moved_bytes"], 32 * run["total"]["global"]["sectors"].get<int>());
    EXPECT_FALSE(run["launches"][0]["lines"].empty());
  }
  const json& naive = made["ladder"].front()["total"]["global"];
  const json& best = made["ladder"].back()["total"]["global"];
  EXPECT_EQ(best["sectors"], 3 * 8 * 64 * 4 / 32);  // a row is read twice and written once
  EXPECT_EQ(best["sectors"], best["ideal_sectors"]);
  EXPECT_GT(naive["sectors"], 4 * best["sectors"].get<int>());
}

TEST_F(XrayTargetsTest, AnOperationHasThreePasses) {
  const json made = document({"op:softmax", "--order", "2", "--size", "64"});
  const json& run = made["ladder"][0];
  ASSERT_EQ(run["passes"].size(), 3U);
  std::size_t launches = 0;
  for (const json& pass : run["passes"]) {
    EXPECT_GE(pass["launched"], 1) << pass;
    EXPECT_EQ(pass["waits"], 0) << pass;
    launches += pass["launched"].get<std::size_t>();
  }
  EXPECT_EQ(run["passes"][2]["name"], "second order");
  EXPECT_EQ(run["launches"].size(), launches);
  EXPECT_GT(run["compulsory"]["bytes"], 0.0);
}

/// The layer with biased GELU experts, gate product and softmax included, on the kernels as
/// compiled: docs/kernels/moe.md lists the launches. None of them may become more, and nothing
/// waits.
TEST_F(XrayTargetsTest, TheMoeLayerTakesFewLaunchesAndWaitsForNothing) {
  const auto passes = [](const char* order) {
    const json made = document({"layer:moe", "--order", order});
    const json& run = made["ladder"][0];
    EXPECT_EQ(run["total"]["local"]["bytes"], 0) << "a kernel spills";
    for (const json& pass : run["passes"]) EXPECT_EQ(pass["waits"], 0) << pass["name"];
    return run["passes"];
  };
  EXPECT_LE(passes("0")[0]["launched"], 6);
  const json there_and_back = passes("1");
  EXPECT_LE(there_and_back[0]["launched"], 6);
  EXPECT_LE(there_and_back[1]["launched"], 10);
  const json second = passes("2");
  EXPECT_LE(second[1]["launched"], 10);
  EXPECT_LE(second[2]["launched"], 20);
}

class XrayStepTest : public XrayTargetsTest, public testing::WithParamInterface<const char*> {};

TEST_P(XrayStepTest, ATrainingStepIsCountedWhole) {
  const json made = document({std::string("step:tiny/") + GetParam(), "--batch", "2"});
  const json& step = made["ladder"][0]["passes"][0];
  EXPECT_EQ(made["ladder"][0]["passes"].size(), 1U);
  EXPECT_GT(step["launched"], 50);
  EXPECT_LE(step["launched"], 250);
  EXPECT_GE(step["waits"], 1);
  EXPECT_LE(step["waits"], 2);
  EXPECT_GT(made["ladder"][0]["compulsory"]["bytes"], 0.0);
  EXPECT_GT(step["peak_bytes"], 0);
}
INSTANTIATE_TEST_SUITE_P(Heads, XrayStepTest,
                         testing::Values("dense", "soft_moe", "sparse_moe", "hard_moe"),
                         [](const auto& each) { return std::string(each.param); });

TEST_F(XrayTargetsTest, BoundsSayWhatLimitsAndThatNothingWasMeasured) {
  const Arguments run{"softmax_forward", "rows=8", "columns=64", "--dtype", "float32"};
  const json made = document(run + Arguments{"--gpu", "a100"});
  EXPECT_EQ(made["gpu"]["multiprocessors"], 108);
  const double launch = made["gpu"]["launch_seconds"];
  for (const json& rung : made["ladder"]) {
    const double memory = 2 * 8 * 64 * 4 / made["gpu"]["memory_bandwidth"].get<double>();
    EXPECT_GE(rung["bound"]["seconds"].get<double>(), memory + launch);
    EXPECT_NEAR(rung["bound"]["parts"]["memory"].get<double>(), memory, 1e-15);
  }
  const std::string text = expect_success(Arguments{"xray"} + run + Arguments{"--gpu", "a100"});
  EXPECT_NE(text.find("no measurement backs"), std::string::npos) << text;
}

TEST_F(XrayTargetsTest, ABudgetHoldsAndAnExcessIsOneLine) {
  const Arguments run{"xray", "softmax_forward", "rows=8", "columns=64"};
  const std::string file = path("softmax.json");
  expect_success(run + Arguments{"--write-budget", file});
  EXPECT_NE(read_file(path("softmax.md")).find("softmax_forward_thread_per_row"),
            std::string::npos);
  EXPECT_NE(expect_success(run + Arguments{"--budget", file}).find("none beyond"),
            std::string::npos);

  json budget = json::parse(read_file(file));
  const double sectors = budget["runs"][0]["sectors"];
  budget["runs"][0]["sectors"] = sectors - 1;
  write_bytes(file, budget.dump());
  const ProgramResult worse = run_switchyard(run + Arguments{"--budget", file});
  EXPECT_EQ(worse.exit_code, 1);
  EXPECT_NE(worse.err.find(": sectors "), std::string::npos) << worse.err;
  EXPECT_NE(worse.err.find("--write-budget"), std::string::npos) << worse.err;

  budget["toolkit"] = "1.0";
  write_bytes(file, budget.dump());
  EXPECT_EQ(run_switchyard(run + Arguments{"--budget", file}).exit_code, 77);
}

TEST_F(XrayTargetsTest, ADifferenceNamesWhatChanged) {
  const auto rung = [](const char* columns) {
    return Arguments{"xray",    "softmax_forward:softmax_forward_warp_per_row",
                     "rows=8",  columns,
                     "--dtype", "float32"};
  };
  write_bytes(path("old.json"), expect_success(rung("columns=64") + Arguments{"--json"}));
  const Arguments diff{"--diff", path("old.json")};
  EXPECT_EQ(expect_success(rung("columns=64") + diff), "nothing changed\n");
  const std::string text = expect_success(rung("columns=32") + diff);
  EXPECT_NE(text.find("removed"), std::string::npos) << text;
  EXPECT_NE(text.find("added"), std::string::npos) << text;
  write_bytes(path("other.json"), "[1]");
  expect_failure(rung("columns=64") + Arguments{"--diff", path("other.json")}, 1, "other.json");
}

TEST_F(XrayTargetsTest, UnknownNamesAreAnsweredWithWhatThereIs) {
  expect_failure({"xray", "softmaxx"}, 2, "did you mean 'softmax'?");
  expect_failure({"xray", "softmax_forward:warp"}, 2, "softmax_forward has no rung 'warp'");
  expect_failure({"xray", "op:softmx"}, 2, "did you mean 'softmax'?");
  expect_failure({"xray", "layer:dense"}, 2, "no layer 'layer:dense'");
  expect_failure({"xray", "step:tinny"}, 2, "did you mean 'tiny'?");
  expect_failure({"xray", "step:tiny/dens"}, 2, "did you mean 'dense'?");
  expect_failure({"xray", "softmax_forward", "rowz=3"}, 2, "rowz");
  expect_failure({"xray", "softmax", "--dtype", "int8"}, 2, "has no dtype 'int8'");
  expect_failure({"xray", "layer:moe", "k=9"}, 2, "top_k");
}

TEST_F(XrayTargetsTest, LibrariesAreLeftOutAndSaySo) {
  const json made = document({"matmul", "m=8", "n=8", "k=8", "--dtype", "float32"});
  const json& library = made["ladder"].back();
  EXPECT_EQ(library["variant"], "matmul_cublas");
  EXPECT_EQ(library["status"], "refused");
}

}  // namespace
}  // namespace switchyard::test

// --variant, --profile and --trace: the options of every command that computes.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/io/json.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

class KernelOptionsTest : public AppTest {
 protected:
  /// Trains in one command; the results with the profile.
  json trained(const std::string& out, const Arguments& options) const {
    return json::parse(expect_success(train(out) + Arguments{"--json"} + options));
  }
};

/// The rows of a profile whose kernel is `kernel`.
std::vector<json> rows_of(const json& document, const std::string& kernel) {
  std::vector<json> rows;
  for (const json& row : document.at("profile").at("kernels")) {
    if (row.at("kernel") == kernel) rows.push_back(row);
  }
  return rows;
}

TEST_F(KernelOptionsTest, AVariantIsWhatRuns) {
  const json usual = trained("usual", {"--profile"});
  const json naive =
      trained("naive", {"--profile", "--variant", "matmul=matmul_plain_loops", "--variant",
                        "softmax_backward=softmax_backward_plain_loops"});
  ASSERT_EQ(rows_of(usual, "matmul").size(), 1U);
  ASSERT_EQ(rows_of(naive, "matmul").size(), 1U);
  EXPECT_EQ(rows_of(usual, "matmul")[0].at("variant"), "matmul_onednn_tiles");
  EXPECT_EQ(rows_of(naive, "matmul")[0].at("variant"), "matmul_plain_loops");
  for (const char* what : {"calls", "bytes", "flops"}) {
    EXPECT_EQ(rows_of(usual, "matmul")[0].at(what), rows_of(naive, "matmul")[0].at(what)) << what;
  }
  EXPECT_NEAR(usual.at("test").at("loss").get<double>(), naive.at("test").at("loss").get<double>(),
              1e-2);
}

TEST_F(KernelOptionsTest, TheProfileIsATableOrJsonAndATimeline) {
  const std::string text = expect_success({"gradcheck", "softmax", "--profile"});
  EXPECT_NE(text.find("kernel (variant)"), std::string::npos) << text;
  EXPECT_NE(text.find("softmax_vector_loops"), std::string::npos) << text;
  EXPECT_NE(text.find("outside kernels"), std::string::npos) << text;

  const json document = json::parse(
      expect_success({"gradcheck", "softmax", "--json", "--trace", path("trace.json")}));
  EXPECT_TRUE(document.at("results").is_array());
  double share = 0.0;
  for (const json& row : document.at("profile").at("kernels")) {
    EXPECT_GT(row.at("calls").get<int>(), 0);
    EXPECT_GE(row.at("seconds").get<double>(), 0.0);
    share += row.at("share").get<double>();
  }
  EXPECT_LE(share, 1.0);
  const json timeline = read_json(path("trace.json"));
  std::size_t calls = 0;
  for (const json& row : document.at("profile").at("kernels")) {
    calls += row.at("calls").get<std::size_t>();
  }
  EXPECT_EQ(timeline.at("traceEvents").size(), calls);
  EXPECT_EQ(timeline.at("traceEvents").at(0).at("ph"), "X");
}

#ifdef SWITCHYARD_SIMT
TEST_F(KernelOptionsTest, LaunchesAreCountedOnTheExecutor) {
  const json document = json::parse(
      expect_success({"gradcheck", "softmax", "--device", "simt", "--profile", "--json"}));
  const std::vector<json> rows = rows_of(document, "softmax_forward");
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows[0].at("device"), "simt");
  EXPECT_EQ(rows[0].at("launches"), rows[0].at("calls"));
}
#endif

TEST_F(KernelOptionsTest, CallsThatAVariantDoesNotTakeAreCounted) {
  // gradcheck computes in float64, which the library's convolutions do not.
  const ProgramResult result =
      run_switchyard({"gradcheck", "conv2d", "--variant", "conv2d=conv2d_onednn_direct"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("--variant conv2d=conv2d_onednn_direct: "), std::string::npos);
  EXPECT_NE(result.err.find("ran another variant"), std::string::npos) << result.err;
}

TEST_F(KernelOptionsTest, UnknownNamesSayWhatThereIs) {
  const Arguments check = {"gradcheck", "softmax", "--variant"};
  expect_failure(check + Arguments{"softmax_forwards=x"}, 2,
                 "device cpu has no kernel 'softmax_forwards'; did you mean 'softmax_forward'?");
  expect_failure(check + Arguments{"softmax_forward=fast"}, 2,
                 "softmax_forward has no rung 'fast'; there are softmax_plain_loops, "
                 "softmax_vector_loops");
  expect_failure(check + Arguments{"softmax_forward"}, 2, "expected KERNEL=RUNG");
  expect_failure({"gradcheck", "softmax", "--trace", path("none/trace.json")}, 1,
                 "none/trace.json");
}

}  // namespace
}  // namespace switchyard::test

#include <nlohmann/json.hpp>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

TEST(KernelsCommand, ListsEveryFamilyWithWhatItsVariantsNeed) {
  const json families = json::parse(expect_success({"kernels", "--json"}));
  EXPECT_GE(families.size(), 16U);
  for (const json& family : families) {
    for (const json& entry : family["entry_points"]) {
      EXPECT_FALSE(entry["computes"].get<std::string>().empty()) << entry;
      EXPECT_FALSE(entry["dtypes"].empty()) << entry;
      EXPECT_FALSE(entry["sizes"].empty()) << entry;
    }
  }
  const json matmul = json::parse(expect_success({"kernels", "matmul", "--json"}));
  ASSERT_EQ(matmul.size(), 1U);
  EXPECT_EQ(matmul[0]["sources"][0], "kernels/cuda/matmul.cu");
  const std::string text = expect_success({"kernels", "softmax_forward"});
  EXPECT_NE(text.find("docs/kernels/softmax.md"), std::string::npos) << text;
  EXPECT_EQ(text.find("cross_entropy"), std::string::npos) << text;
  expect_failure({"kernels", "matmull"}, 2, "no kernel family or entry point 'matmull'");
}

/// The usual device of this build: the SIMT executor, or the host where it was left out.
std::string usual_device() {
  const json rows = json::parse(expect_success({"check", "fill", "count=1", "--json"}));
  return rows[0]["device"];
}

TEST(CheckCommand, ComparesEveryVariantAndTimesIt) {
  const json rows =
      json::parse(expect_success({"check", "matmul", "m=31", "n=33", "k=7", "--json"}));
  ASSERT_FALSE(rows.empty());
  for (const json& row : rows) {
    EXPECT_EQ(row["sizes"]["m"], 31);
    EXPECT_EQ(row["sizes"]["transpose_a"], 0);
    if (row["status"] == "refused") continue;
    EXPECT_EQ(row["status"], "agrees") << row;
    EXPECT_LE(row["error"], row["tolerance"]);
    EXPECT_GT(row["seconds"], 0.0);
    EXPECT_EQ(row["flops"], 2 * 31 * 33 * 7);
  }
}

TEST(CheckCommand, OddSizesAreSummedUpAVariant) {
  const std::string text = expect_success({"check", "first_out_of_range", "--device", "cpu"});
  EXPECT_NE(text.find("  ok       entry_point"), std::string::npos) << text;
  EXPECT_NE(text.find("odd sizes, aligned and not"), std::string::npos) << text;
  EXPECT_NE(text.find("GB/s of compulsory bytes"), std::string::npos) << text;
}

TEST(CheckCommand, OneVariantOfOneDtype) {
  const std::string device = usual_device();
  if (device == "cpu") GTEST_SKIP() << "built without the SIMT executor";
  const json rows =
      json::parse(expect_success({"check", "matmul", "m=4", "n=4", "k=4", "--variant",
                                  "matmul_shared_tile", "--dtype", "float64", "--json"}));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["variant"], "matmul_shared_tile");
  EXPECT_EQ(rows[0]["dtype"], "float64");
  expect_failure({"check", "matmul", "m=5", "n=5", "k=5", "--variant", "matmul_register_tile_wide"},
                 2, "nothing ran: [matmul_register_tile_wide] needs operands 16-byte aligned");
}

TEST(CheckCommand, BadUsageNamesWhatThereIs) {
  expect_failure({"check"}, 2, "FAMILY is required");
  expect_failure({"check", "matmull"}, 2, "grouped_matmul");
  expect_failure({"check", "matmul", "--variant", "fastest"}, 2, "(there are: ");
  expect_failure({"check", "matmul", "--dtype", "int8"}, 2, "(there are: float32, ");
  expect_failure({"check", "matmul", "--device", "tpu"}, 2,
                 "unknown device 'tpu', available devices: cpu");
  expect_failure({"check", "matmul", "q=3"}, 2, "no size 'q' (there are: m, n, k");
  expect_failure({"check", "matmul", "m=-1"}, 2, "m: must be from 0 to 2147483647, got -1");
  for (const char* malformed : {"m=", "m", "=3", "m=3x", "m=99999999999999999999", ""}) {
    expect_failure({"check", "matmul", malformed}, 2,
                   "sizes are given as NAME=INTEGER, got '" + std::string(malformed) + "'");
  }
  expect_failure({"check", "top_k", "experts=8", "k=9"}, 2,
                 "k: must be at most the 8 experts, got 9");
  expect_failure({"check", "conv2d", "height=2", "padding=0"}, 2, "kernel_height: must fit");
  expect_failure({"check", "matmul", "m=2000000", "n=2000000"}, 2, "elements in one operand");
}

}  // namespace
}  // namespace switchyard::test

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

/// The resources of this build's kernels, compared with a table that was changed by hand.
class ResourcesTest : public testing::Test {
 protected:
  void SetUp() override {
    const ProgramResult result = run_switchyard({"resources", "--json"});
    if (result.exit_code == 77) GTEST_SKIP() << result.out;
    ASSERT_EQ(result.exit_code, 0) << result.err;
    table_ = json::parse(result.out);
  }
  Arguments compare() {
    const std::string file = (scratch_ / "resources.json").string();
    write_bytes(file, table_.dump());
    return {"resources", "--compare", file};
  }
  /// The first kernel with more than that of something.
  json& kernel_with_more(const char* field, int least) {
    for (json& kernel : table_["kernels"]) {
      if (kernel[field] > least) return kernel;
    }
    throw std::runtime_error(fmt::format("no kernel with more than {} {}", least, field));
  }

  json table_;

 private:
  TemporaryDirectory scratch_;
};

TEST_F(ResourcesTest, ABuildIsNotWorseThanItself) {
  EXPECT_GT(table_["kernels"].size(), 100U);
  EXPECT_NE(expect_success(compare()).find("none worse than"), std::string::npos);
}

TEST_F(ResourcesTest, NoKernelSpills) {
  for (const json& kernel : table_["kernels"]) EXPECT_EQ(kernel["spill_bytes"], 0) << kernel;
}

TEST_F(ResourcesTest, MoreSharedMemoryIsARegression) {
  json& kernel = kernel_with_more("shared_bytes", 8);
  kernel["shared_bytes"] = kernel["shared_bytes"].get<int>() - 8;
  expect_failure(compare(), 1, kernel["kernel"].get<std::string>());
}

TEST_F(ResourcesTest, LowerOccupancyIsARegressionAndMoreRegistersAloneAreNot) {
  json& kernel = kernel_with_more("registers", 128);
  const int registers = kernel["registers"];
  kernel["registers"] = registers - 1;
  if (registers % 8 != 1) expect_success(compare());  // of the same portion of registers
  kernel["registers"] = 32;
  expect_failure(compare(), 1, fmt::format("({} registers were 32", registers));
}

TEST_F(ResourcesTest, ATableThatLacksAKernelOrHasAnotherIsOutOfDate) {
  const json first = table_["kernels"][0];
  table_["kernels"].erase(0);
  expect_failure(compare(), 1, "not in the table");
  table_["kernels"].push_back(first);
  table_["kernels"].push_back(first);
  table_["kernels"].back()["kernel"] = "gone";
  expect_failure(compare(), 1, "in the table, no longer built");
}

TEST_F(ResourcesTest, AnotherCompilersTableIsNotComparedWith) {
  table_["toolkit"] = "1.0";
  EXPECT_EQ(run_switchyard(compare()).exit_code, 77);
}

TEST_F(ResourcesTest, ABadTableIsOneLine) {
  table_ = json::object();
  expect_failure(compare(), 1, "not a table of resources");
}

}  // namespace
}  // namespace switchyard::test

#include <nlohmann/json.hpp>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

const std::string kPtx = std::string(SWITCHYARD_SOURCE_DIR) + "/tests/kernels/xray/ptx/indices.ptx";

class XrayHorizonTest : public AppTest {
 protected:
  static Arguments copy(const std::string& kernel) {
    return {"xray",    kPtx,  "--kernel",  kernel,        "--grid", "(n+255)/256",
            "--block", "256", "--arg",     "zeros:f32:n", "--arg",  "out:f32:n",
            "--arg",   "n",   "--horizon", "n",           "--json"};
  }
  static Arguments rows(const std::string& kernel, const std::string& grid) {
    return {"xray",      kPtx, "--kernel", kernel,           "--grid", grid,
            "--block",   "32", "--arg",    "zeros:f32:n*32", "--arg",  "zeros:f32:n*32",
            "--horizon", "n",  "--json"};
  }
  static nlohmann::json run(const Arguments& arguments) {
    const ProgramResult result = run_switchyard(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out)["horizon"];
  }
};

constexpr std::int64_t kGiga = std::int64_t{1} << 30;

TEST_F(XrayHorizonTest, FindsWhereAnIndexOfThirtyTwoBitsEnds) {
  const nlohmann::json with_int = run(copy("with_int"));
  EXPECT_EQ(with_int["breaks_at"], 2 * kGiga + 1);
  EXPECT_EQ(with_int["holds_at"], 2 * kGiga);
  EXPECT_NE(with_int["why"].get<std::string>().find("indices.cu:6"), std::string::npos) << with_int;
  EXPECT_EQ(run(copy("with_unsigned"))["breaks_at"], 4 * kGiga + 1);
  // 2^31 - 1 blocks of 32 rows: the grid ends before the index does.
  const nlohmann::json with_size_t = run(copy("with_size_t"));
  EXPECT_EQ(with_size_t["breaks_at"], (2 * kGiga - 1) * 256 + 1);
  EXPECT_NE(with_size_t["why"].get<std::string>().find("--grid"), std::string::npos);
}

TEST_F(XrayHorizonTest, FindsWhereRowsTimesAWidthEnd) {
  const nlohmann::json with_int = run(rows("rows_with_int", "n") + Arguments{"--arg", "32"});
  EXPECT_EQ(with_int["breaks_at"], 2 * kGiga / 32 + 1);
  const nlohmann::json in_y = run(rows("rows_in_y", "1,n"));
  EXPECT_EQ(in_y["breaks_at"], 65536);
  EXPECT_NE(in_y["why"].get<std::string>().find("65535"), std::string::npos) << in_y;
}

TEST_F(XrayHorizonTest, AnArgumentMayNotHoldTheSize) {
  // Its last parameter is an int.
  Arguments wide = rows("rows_with_size_t", "1");
  wide.insert(wide.end(), {"--arg", "n", "--blocks", "0"});
  EXPECT_EQ(run(wide)["breaks_at"], 2 * kGiga);
}

TEST_F(XrayHorizonTest, SaysWhatIsWrongWithTheRequest) {
  const auto fails = [&](Arguments arguments, const Arguments& more, const std::string& part) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_switchyard(arguments);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  fails(copy("with_int"), {"--blocks", "middle"}, "--blocks: expected first, last, random:COUNT");
  fails(copy("with_int"), {"--blocks", "7"}, "there is no block 7, the grid has 1");
  fails(copy("with_int"), {"--check"}, "--check");
  fails(rows("rows_with_int", "m"), {"--arg", "32"}, "--grid: expected X");
}

}  // namespace
}  // namespace switchyard::test

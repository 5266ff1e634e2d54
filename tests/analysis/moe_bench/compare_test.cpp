#include "analysis/moe_bench/compare.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"

namespace switchyard::moe_bench {
namespace {

TimedRow row(double p20, double median, double p80, std::int64_t calls = 20) {
  return {.name = "a", .median = median, .p20 = p20, .p80 = p80, .calls = calls};
}

TEST(CompareTest, VerdictsFollowTheRule) {
  const TimedRow old = row(90, 100, 110);
  EXPECT_EQ(compare(old, row(70, 80, 89)).verdict, Verdict::kFaster);
  EXPECT_EQ(compare(old, row(111, 120, 130)).verdict, Verdict::kSlower);
  EXPECT_EQ(compare(old, row(95, 102, 108)).verdict, Verdict::kSame);
  EXPECT_EQ(compare(old, old).verdict, Verdict::kSame);
  EXPECT_EQ(compare(old, row(70, 80, 91)).verdict, Verdict::kUndecided) << "the spreads touch";
  EXPECT_EQ(compare(old, row(109, 120, 130)).verdict, Verdict::kUndecided);
}

TEST(CompareTest, FewCallsAndRowsWithoutTimeDecideNothing) {
  const TimedRow old = row(90, 100, 110);
  EXPECT_EQ(compare(old, row(10, 11, 12, 4)).verdict, Verdict::kUndecided);
  TimedRow wrong = row(10, 11, 12);
  wrong.problem = "disagrees with the reference";
  const Comparison result = compare(old, wrong);
  EXPECT_EQ(result.verdict, Verdict::kUndecided);
  EXPECT_EQ(result.reason, "new: disagrees with the reference");
}

TEST(CompareTest, RowsOfOneSideAreSaidToBe) {
  TimedRow b = row(1, 1, 1);
  b.name = "b";
  const std::vector<Comparison> rows = compare_all({row(1, 1, 1)}, {b});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].verdict, Verdict::kOnlyOld);
  EXPECT_EQ(rows[1].verdict, Verdict::kOnlyNew);
  EXPECT_NE(comparison_text(rows).find("1 only old, 1 only new"), std::string::npos);
}

TEST(CompareTest, FilesThatAreNoResultsAreNamed) {
  TemporaryDirectory scratch;
  const auto fails = [&](const std::string& text, const std::string& part) {
    write_file_atomic(scratch / "r.json", text);
    test::expect_error<Error>([&] { read_rows(scratch / "r.json"); }, part);
  };
  fails("{}", "r.json");
  fails(R"({"benchmarks": [{"name": "x"}]})", "time_unit");
  fails(R"({"benchmarks": [{"name": "x", "time_unit": "ns", "real_time": 1}]})", "p20_ns");
  const std::string one =
      R"({"name": "x", "time_unit": "us", "real_time": 1, "p20_ns": 900, "p80_ns": 1100, "timed_calls": 9})";
  fails(R"({"benchmarks": [)" + one + "," + one + "]}", "stands there twice");
  write_file_atomic(scratch / "r.json", R"({"benchmarks": [)" + one + "]}");
  EXPECT_EQ(read_rows(scratch / "r.json").at(0).median, 1000.0);
}

}  // namespace
}  // namespace switchyard::moe_bench

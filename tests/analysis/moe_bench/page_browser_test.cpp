// Opens made-up benchmark pages in a real browser; skipped with the reason where there is none.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "analysis/moe_bench/page.h"
#include "analysis/moe_bench/row.h"
#include "engine/io/files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/browser.h"

namespace switchyard::moe_bench {
namespace {

/// A row whose times follow a rule of thumb: the mask loop costs its experts, the others their
/// bytes.
Row made_up_row(const Workload& w, const std::string& variant, double per_expert, double factor) {
  Row row;
  row.benchmark = "moe";
  row.stage = "layer";
  row.variant = variant;
  row.workload = w;
  row.active = w.experts;
  row.compulsory_bytes = 4.0 * static_cast<double>(w.tokens * 1024 + w.experts * 65536);
  row.counts.kernels = 5;
  row.counts.bytes = factor * row.compulsory_bytes;
  row.flops = 2.0 * static_cast<double>(w.slots()) * 65536.0;
  row.median = 1e-6 * (10.0 + per_expert * static_cast<double>(w.experts)) +
               1e-9 * factor * static_cast<double>(w.slots()) * 100.0;
  row.p20 = 0.9 * row.median;
  row.p80 = 1.2 * row.median;
  row.calls = 20;
  row.error = 1e-7;
  row.rates = Rates{.copy = 1e11, .product = 4e11};
  return row;
}

std::vector<Row> made_up_rows(const std::vector<Workload>& workloads) {
  std::vector<Row> rows;
  for (const Workload& w : workloads) {
    rows.push_back(made_up_row(w, "mask_loop", 5.0, 4.0));
    rows.push_back(made_up_row(w, "sorted_loop", 3.0, 2.5));
    rows.push_back(made_up_row(w, "grouped", 0.5, 2.5));
    rows.push_back(made_up_row(w, "fused", 0.5, 1.1));
  }
  return rows;
}

class BenchPageInBrowser : public testing::Test {
 protected:
  void expect_clean(const std::vector<Row>& rows, int charts) {
    const nlohmann::json machine = {{"cores", 2},
                                    {"cpu", "a processor"},
                                    {"threads", 2},
                                    {"device", "cpu"},
                                    {"version", "0.1.0"}};
    write_file_atomic(directory_ / "report.html", bench_page(google_json(rows, machine)));
    const test::ReportView view = test::open_report(directory_ / "report.html");
    if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
    EXPECT_EQ(view.charts, charts);
    for (const std::string& problem : view.problems) ADD_FAILURE() << problem;
  }

  TemporaryDirectory directory_;
};

// 2 side by side, 2 shares, 2 for each of 3 factors, 2 by skew.
TEST_F(BenchPageInBrowser, DrawsASweep) {
  expect_clean(made_up_rows(one_factor_at_a_time({}, standard_sweep())), 2 + 2 + 3 * 2 + 2);
}

// 2 side by side, 2 shares, 2 for tokens, 2 for experts, 2 by skew, a map for each distribution.
TEST_F(BenchPageInBrowser, DrawsAMap) {
  Sweep sweep = standard_sweep();
  sweep.distributions = {Distribution::kBalanced, Distribution::kZipf};
  expect_clean(made_up_rows(every_combination({}, sweep)), 2 + 2 + 2 + 2 + 2 + 2);
}

TEST_F(BenchPageInBrowser, DrawsOneWorkloadAndWhatHasNoTime) {
  std::vector<Row> rows = made_up_rows({Workload()});
  rows.push_back(rows.front());
  rows.back().problem =
      "disagrees with the reference: relative error 1.0e+00, at most 1e-05 is right";
  for (Row& row : rows) row.rates = {};
  expect_clean(rows, 2);
}

// 3 side by side, with the cold times; 2 shares.
TEST_F(BenchPageInBrowser, DrawsTheColdTimesOfAGpu) {
  std::vector<Row> rows = made_up_rows({Workload()});
  for (Row& row : rows) {
    row.device = Device::kCuda;
    row.cold = ColdTimes{.median = 1.5 * row.median, .p20 = 1.4 * row.p20, .p80 = 2.0 * row.p80};
  }
  expect_clean(rows, 3 + 2);
}

// The routing has no flops: 2 side by side, the share of a copy.
TEST_F(BenchPageInBrowser, DrawsTheRoutingWithoutADenseProduct) {
  std::vector<Row> rows = made_up_rows({Workload()});
  for (Row& row : rows) {
    row.benchmark = "routing";
    row.stage = "gate";
    row.variant = "gate_" + row.variant;
    row.flops = 0.0;
  }
  expect_clean(rows, 2 + 1);
}

TEST_F(BenchPageInBrowser, DrawsNothingWhereNothingWasTimed) {
  std::vector<Row> rows = made_up_rows({Workload()});
  for (Row& row : rows) row.problem = "failed: out of memory";
  expect_clean(rows, 0);
}

}  // namespace
}  // namespace switchyard::moe_bench

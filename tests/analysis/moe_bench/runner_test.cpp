#include "analysis/moe_bench/runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/moe_bench/memory_need.h"
#include "analysis/moe_bench/page.h"
#include "analysis/moe_bench/variant_names.h"
#include "engine/core/check.h"
#include "tests/support/devices.h"
#include "tests/support/expect_error.h"

namespace switchyard::moe_bench {
namespace {

Workload small_workload() {
  Workload w;
  w.tokens = 24;
  w.width = 8;
  w.hidden = 12;
  w.out = 8;
  w.experts = 5;
  w.distribution = Distribution::kEmpty;
  return w;
}

RunOptions quick(Device device, Order order = Order::kForward) {
  RunOptions options;
  options.device = device;
  options.order = order;
  options.with_rates = false;
  options.timing = {.warm_up = 0, .min_repeats = 1, .max_repeats = 1, .target_seconds = 0.0};
  return options;
}

std::string problems_of(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    if (!row.has_time()) text += row.name() + ": " + row.problem + "\n";
  }
  return text;
}

class RunnerTest : public test::DeviceTest {};

TEST_P(RunnerTest, EveryRungOfTheLayerAgreesInEveryOrderAndDtype) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kBFloat16}) {
    for (const std::string& order : order_names()) {
      for (const std::string& activation : activation_names()) {
        RunOptions options = quick(GetParam(), parse_order(order));
        options.dtype = dtype;
        Workload w = small_workload();
        w.activation = parse_activation(activation);
        w.biases = activation == "gelu";
        const std::vector<Row> rows = run_workload(w, options);
        EXPECT_EQ(problems_of(rows), "");
        EXPECT_GE(rows.size(), order == "hvp" ? 1U : 3U) << order;
      }
    }
  }
}

TEST_P(RunnerTest, EveryRungOfTheRoutingAgrees) {
  for (const std::string& order : order_names()) {
    RunOptions options = quick(GetParam(), parse_order(order));
    options.benchmark = "routing";
    const std::vector<Row> rows = run_workload(small_workload(), options);
    EXPECT_EQ(problems_of(rows), "") << order;
    EXPECT_GE(rows.size(), order == "forward" ? 7U : 2U);
  }
}

TEST_P(RunnerTest, NaiveRungsMoveMoreThanFusedOnesAndWait) {
  const std::vector<Row> rows = run_workload(small_workload(), quick(GetParam()));
  const auto find = [&](const std::string& variant) {
    return *std::find_if(rows.begin(), rows.end(),
                         [&](const Row& row) { return row.variant == variant; });
  };
  const Row mask = find("mask_loop");
  const Row sorted = find("sorted_loop");
  const Row grouped = find("grouped");
  EXPECT_EQ(mask.counts.host_waits, 5U) << "once per expert";
  EXPECT_EQ(sorted.counts.host_waits, 1U);
  EXPECT_EQ(grouped.counts.host_waits, 0U);
  EXPECT_EQ(grouped.active, 3);
  for (const Row& row : rows) EXPECT_GE(row.counts.bytes, row.compulsory_bytes) << row.name();
  EXPECT_GT(mask.counts.bytes, mask.compulsory_bytes);
  if (GetParam() != Device::kCpu) {
    EXPECT_GT(mask.counts.launches, grouped.counts.launches);
  }
}

std::string runner_test_name(const testing::TestParamInfo<Device>& info) {
  return info.param == Device::kCpu ? "Cpu" : test::test_name(info.param);
}

INSTANTIATE_TEST_SUITE_P(Devices, RunnerTest,
                         testing::Values(Device::kCpu, Device::kSimt, Device::kCuda),
                         runner_test_name);

TEST(RunnerCpuTest, NoTokensAndOneTokenRun) {
  for (const std::int64_t tokens : {0, 1}) {
    Workload w = small_workload();
    w.tokens = tokens;
    EXPECT_EQ(problems_of(run_workload(w, quick(Device::kCpu, Order::kTraining))), "") << tokens;
  }
}

TEST(RunnerCpuTest, AWorkloadThatDoesNotFitSaysSo) {
  RunOptions options = quick(Device::kCpu);
  options.memory_limit = 1000.0;
  const std::vector<Row> rows = run_workload(small_workload(), options);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_NE(rows[0].problem.find("--memory-limit allows"), std::string::npos) << rows[0].problem;
  Workload large = with_preset({}, find_preset("deepseek-v3"));
  const MemoryNeed need = memory_need(large, Order::kForward, DType::kFloat32);
  EXPECT_NEAR(need.parameters, 4.0 * 256 * 3 * 7168 * 2048, 1.0);
  EXPECT_GT(need.host, 2.0 * need.parameters);
}

TEST(RunnerCpuTest, AVariantThatThereIsNotIsAnsweredWithTheList) {
  RunOptions options = quick(Device::kCpu);
  options.variants = {"mask_loop", "magic"};
  test::expect_error<UsageError>([&] { run_workload(small_workload(), options); },
                                 "no variant 'magic', there are: all, mask_loop, sorted_loop");
}

TEST(RunnerCpuTest, RoutingIsNotMeasuredInBFloat16) {
  RunOptions options = quick(Device::kCpu);
  options.benchmark = "routing";
  options.dtype = DType::kBFloat16;
  test::expect_error<UsageError>([&] { run_workload(small_workload(), options); },
                                 "routing is measured in float32 or float64");
}

TEST(RunnerCpuTest, OneVariantAloneCanBeAskedFor) {
  RunOptions options = quick(Device::kCpu);
  options.variants = {"grouped"};
  const std::vector<Row> rows = run_workload(small_workload(), options);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].variant, "grouped");
}

TEST(RunnerCpuTest, AProductWithoutTheRungThatIsAskedForSaysSo) {
  RunOptions options = quick(Device::kCpu, Order::kHvp);
  options.variants = {"mask_loop"};
  const std::vector<Row> rows = run_workload(small_workload(), options);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0].has_time());
  EXPECT_EQ(rows[0].variant, "default");
  EXPECT_EQ(rows[1].problem, "no kernel of the product has this rung: see default");
}

TEST(RunnerCpuTest, ATraceGivesItsRowsStepByStep) {
  RunOptions options = quick(Device::kCpu);
  options.trace = Tensor::from<std::int64_t>({4, 1}, {0, 0, 1, 2});
  Workload w = small_workload();
  w.k = 1;
  w.tokens = 2;
  w.distribution = Distribution::kTrace;
  EXPECT_EQ(run_workload(w, options).at(0).active, 1);
  options.draw.step = 1;
  EXPECT_EQ(run_workload(w, options).at(0).active, 2);
  options.draw.step = 2;
  test::expect_error<UsageError>([&] { run_workload(w, options); }, "the trace has 4");
}

TEST(RunnerCpuTest, ResultsAreInGoogleBenchmarksFormat) {
  std::vector<Row> rows = run_workload(small_workload(), quick(Device::kCpu));
  rows.push_back(rows.front());
  rows.back().problem = "disagrees";
  const nlohmann::json json = google_json(rows, {{"cores", 2}});
  EXPECT_EQ(json.at("context").at("num_cpus"), 2);
  const nlohmann::json& run = json.at("benchmarks").at(0);
  for (const char* field : {"name", "run_name", "run_type", "iterations", "real_time", "cpu_time",
                            "time_unit", "repetitions", "threads"}) {
    EXPECT_TRUE(run.contains(field)) << field;
  }
  EXPECT_EQ(run.at("name"),
            "moe/forward/layer/mask_loop/float32/cpu/T24/D8/H12/C8/E5/k2/relu/empty");
  EXPECT_EQ(run.at("time_unit"), "ns");
  EXPECT_GE(run.at("p80_ns"), run.at("p20_ns"));
  for (const char* absent : {"launches", "cold_time_ns", "share_of_copy", "share_of_product"}) {
    EXPECT_FALSE(run.contains(absent)) << absent;
  }
  EXPECT_EQ(json.at("benchmarks").back().at("error_occurred"), true);
  EXPECT_FALSE(json.at("benchmarks").back().contains("p20_ns"));
}

TEST(RunnerCpuTest, AGpusColdTimesAndLaunchesAreFiguresOfTheirOwn) {
  Row row = run_workload(small_workload(), quick(Device::kCpu)).front();
  EXPECT_EQ(table_text({row}).find("cold L2"), std::string::npos);
  row.device = Device::kCuda;
  row.counts.launches = 7;
  row.cold = ColdTimes{.median = 3e-6, .p20 = 2e-6, .p80 = 4e-6};
  row.rates = Rates{.copy = 2e12, .product = 5e13};
  const nlohmann::json json = google_json({row}, {{"cores", 2}});
  const nlohmann::json& run = json.at("benchmarks").at(0);
  EXPECT_EQ(run.at("cold_time_ns"), 3000);
  EXPECT_EQ(run.at("cold_p20_ns"), 2000);
  EXPECT_EQ(run.at("cold_p80_ns"), 4000);
  EXPECT_EQ(run.at("launches"), 7);
  EXPECT_EQ(run.at("copy_bytes_per_second"), 2e12);
  const std::string table = table_text({row});
  EXPECT_NE(table.find("cold L2"), std::string::npos) << table;
  EXPECT_NE(table.find("3.0 us"), std::string::npos) << table;
}

TEST(RunnerCpuTest, TilesArePaddedExpertByExpert) {
  RunOptions options = quick(Device::kCpu);
  Workload w = small_workload();        // 48 slots
  w.distribution = Distribution::kOne;  // 24 to each of two experts
  EXPECT_DOUBLE_EQ(run_workload(w, options).front().tile_padding, 1.0 - 48.0 / 128.0);
  w.k = 1;
  w.tokens = 64;
  EXPECT_EQ(run_workload(w, options).front().tile_padding, 0.0);
  w.tokens = 0;
  EXPECT_EQ(run_workload(w, options).front().tile_padding, 0.0);
}

TEST(RunnerCpuTest, CsvHasALinePerRowAndAsManyFieldsInEach) {
  const std::vector<Row> rows = run_workload(small_workload(), quick(Device::kCpu));
  const std::string csv = csv_text(rows);
  std::vector<std::int64_t> commas;
  for (std::size_t begin = 0; begin < csv.size();) {
    const std::size_t end = csv.find("\r\n", begin);
    commas.push_back(std::count(csv.begin() + static_cast<std::ptrdiff_t>(begin),
                                csv.begin() + static_cast<std::ptrdiff_t>(end), ','));
    begin = end + 2;
  }
  ASSERT_EQ(commas.size(), rows.size() + 1);
  EXPECT_EQ(std::count(commas.begin(), commas.end(), commas[0]),
            static_cast<std::int64_t>(commas.size()));
}

TEST(RunnerCpuTest, ThePageLoadsNothing) {
  const std::vector<Row> rows = run_workload(small_workload(), quick(Device::kCpu));
  const std::string html = bench_page(google_json(rows, {{"cores", 2}, {"version", "</script>"}}));
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(html.find("Break-even map"), std::string::npos);
  EXPECT_EQ(html.find("\"</script>"), std::string::npos);
}

TEST(CountsTest, ASequenceMovesWhatItsKernelsMove) {
  kernels::Profile profile;
  profile.rows = {{.device = "cpu", .kernel = "moe_forward", .rung = "a"},
                  {.device = "cpu", .kernel = "dispatch", .rung = "b"}};
  profile.events = {
      {.row = 1, .begin = 1.0, .seconds = 0.1, .work = {.bytes = 70.0}},
      {.row = 1, .begin = 2.0, .seconds = 0.1, .work = {.bytes = 50.0, .flops = 7.0}},
      {.row = 0, .begin = 0.5, .seconds = 2.0, .work = {.bytes = 100.0, .flops = 7.0}},
      {.row = 0, .begin = 3.0, .seconds = 1.0, .work = {.bytes = 100.0}}};
  const Counts counts = counts_of(profile, 30.0);
  EXPECT_EQ(counts.bytes, 120.0 + 70.0);
  EXPECT_EQ(counts.flops, 7.0);
  EXPECT_EQ(counts.kernels, 3U);
}

}  // namespace
}  // namespace switchyard::moe_bench

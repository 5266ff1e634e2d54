#include "analysis/efficiency.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "analysis/process_memory.h"
#include "engine/core/threads.h"
#include "models/state.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

const Shape kImage{8, 8, 3};
const TimingOptions kShort{.warm_up = 1, .min_repeats = 3, .max_repeats = 3};

TEST(Efficiency, MeasuresEachBatchSize) {
  SmallProblem problem("sparse_moe", 1, DType::kFloat32);
  const Efficiency result =
      measure_efficiency(*problem.model, kImage, {.batch_sizes = {1, 16}, .timing = kShort});
  EXPECT_EQ(result.parameters, parameter_count(*problem.model));
  EXPECT_EQ(result.threads, thread_count());
  EXPECT_GT(result.peak_resident_bytes, std::int64_t{1} << 20);
  EXPECT_LE(result.peak_resident_bytes, peak_resident_bytes());

  const nlohmann::json json = to_json(result);
  ASSERT_EQ(json["inference"].size(), 2u);
  const nlohmann::json& last = json["inference"][1];
  EXPECT_EQ(last["batch_size"], 16);
  EXPECT_EQ(last["repeats"], 3);
  const double median = last["latency_ms"]["median"];
  EXPECT_GT(median, 0.0);
  EXPECT_NEAR(last["throughput"].get<double>() * median / 1e3, 16.0, 1e-9);
  EXPECT_LE(last["latency_ms"]["p20"].get<double>(), median);
  EXPECT_GE(last["latency_ms"]["p80"].get<double>(), median);
}

TEST(Efficiency, RejectsWhatItCannotMeasure) {
  SmallProblem problem("dense", 1, DType::kFloat32);
  EXPECT_THROW(measure_efficiency(*problem.model, kImage, {.batch_sizes = {}, .timing = kShort}),
               UsageError);
  EXPECT_THROW(measure_efficiency(*problem.model, kImage, {.batch_sizes = {0}, .timing = kShort}),
               Error);
  EXPECT_THROW(measure_efficiency(*problem.model, {8, 3}, {.timing = kShort}), Error);
  SmallProblem doubles("dense", 1, DType::kFloat64);
  EXPECT_THROW(measure_efficiency(*doubles.model, kImage, {.timing = kShort}), Error);
}

}  // namespace
}  // namespace switchyard

#include "analysis/timing.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <string>
#include <thread>

#include "analysis/process_memory.h"
#include "engine/core/check.h"
#include "engine/core/tensor.h"

namespace switchyard {
namespace {

TEST(Timing, DescribesItsSample) {
  const Timing timing{.seconds = {4.0, 1.0, 3.0, 2.0, 5.0}};
  EXPECT_DOUBLE_EQ(timing.mean(), 3.0);
  EXPECT_DOUBLE_EQ(timing.median(), 3.0);
  EXPECT_DOUBLE_EQ(timing.quantile(0.2), 1.8);
  EXPECT_DOUBLE_EQ(timing.quantile(1.0), 5.0);
  EXPECT_NEAR(timing.standard_deviation(), 1.5811388300841898, 1e-15);
  EXPECT_EQ((Timing{.seconds = {1.0, 2.0}}).median(), 1.5);
  EXPECT_EQ((Timing{.seconds = {1.0}}).standard_deviation(), 0.0);
  EXPECT_EQ(to_json_milliseconds(timing)["p80"], 4200.0);
}

TEST(Timing, CountsItsCalls) {
  int calls = 0;
  const auto count = [&] { ++calls; };
  const TimingOptions options{
      .warm_up = 3, .min_repeats = 4, .max_repeats = 100, .target_seconds = 0.0};
  EXPECT_EQ(measure(count, options).seconds.size(), 4u);
  EXPECT_EQ(calls, 7);
  const TimingOptions most{
      .warm_up = 0, .min_repeats = 1, .max_repeats = 6, .target_seconds = 60.0};
  EXPECT_EQ(measure(count, most).seconds.size(), 6u);
  EXPECT_THROW(measure(count, {.min_repeats = 0}), UsageError);
  EXPECT_THROW(measure(count, {.min_repeats = 5, .max_repeats = 4}), UsageError);
}

TEST(Timing, TakesTurns) {
  std::string order;
  const TimingOptions options{.warm_up = 1, .min_repeats = 2, .max_repeats = 2};
  const std::vector<Timing> timings =
      measure_in_turns({[&] { order += 'a'; }, [&] { order += 'b'; }}, options);
  EXPECT_EQ(order, "ababab");
  EXPECT_EQ(timings[0].seconds.size(), 2u);
  EXPECT_EQ(timings[1].seconds.size(), 2u);
}

TEST(Timing, TakesAtLeastTheTimeOfItsBody) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  const Timing timing = measure([&] { std::this_thread::sleep_for(kPause); },
                                {.warm_up = 0, .min_repeats = 3, .max_repeats = 3});
  for (double seconds : timing.seconds) EXPECT_GE(seconds, 0.002);
}

TEST(ProcessMemory, PeakRemembersWhatIsGone) {
  constexpr std::int64_t kBytes = std::int64_t{96} << 20;
  const bool resets = reset_peak_resident_bytes();
  const std::int64_t before = resident_bytes();
  ASSERT_GT(before, 0);
  // The engine's own memory: AddressSanitizer keeps what malloc gave for a while after it is freed.
  Tensor::full({kBytes}, 7, DType::kUInt8);
  EXPECT_GE(peak_resident_bytes(), before + kBytes * 9 / 10);
  if (!resets) GTEST_SKIP() << "this kernel does not let a process reset its peak";
  ASSERT_TRUE(reset_peak_resident_bytes());
  EXPECT_LT(peak_resident_bytes(), before + kBytes / 2);
}

}  // namespace
}  // namespace switchyard

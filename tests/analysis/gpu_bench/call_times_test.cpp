// Times calls on a stand-in for the CUDA runtime, whose clock moves on by 1 ms for a megabyte that
// is set: what the benchmark measures on a GPU and what it leaves out.

#include "analysis/moe_bench/call_times.h"

#include <gtest/gtest.h>

#include "analysis/moe_bench/rates.h"
#include "engine/core/on_device.h"
#include "engine/core/tensor.h"
#include "tests/kernels/cuda_runtime/fake_cuda.h"
#include "tests/training/gpu_step/fake_launches.h"

namespace switchyard::moe_bench {
namespace {

class CallTimesTest : public testing::Test {
 protected:
  CallTimesTest() {
    fake_.reset();
    fake_.total_bytes = std::size_t{1} << 30;
    fake_.cache_bytes = 3'000'000;
  }

  /// Sets so many bytes of its own, which takes as many nanoseconds.
  static std::function<void()> work(std::int64_t bytes) {
    const Tensor memory = Tensor::empty({bytes}, DType::kUInt8, Device::kCuda);
    return [memory = memory]() mutable {
      kernels::clear(kernels::default_executor<kernels::Cuda>(), memory.data<std::uint8_t>(),
                     static_cast<std::size_t>(memory.numel()));
    };
  }

  test::FakeCuda& fake_ = test::FakeCuda::instance();
};

TEST_F(CallTimesTest, WarmCallsFollowOneOfTheirOwnAndColdOnesAFlushThatIsNotCounted) {
  const TimingOptions options = {.warm_up = 1, .min_repeats = 3, .max_repeats = 3};
  int a = 0;
  const std::vector<std::function<void()>> calls = {[&a, run = work(500'000)] { ++a, run(); },
                                                    work(2'000'000)};
  fake_.calls.clear();
  const std::vector<CallTimes> times = time_in_turns(Device::kCuda, calls, options);
  ASSERT_EQ(times.size(), 2U);
  EXPECT_EQ(a, 4 * (2 + 1)) << "a call before each warm one";
  EXPECT_EQ(fake_.count("cudaMemsetAsync"), 2 * 4 * (2 + 1 + 1));
  for (const std::size_t i : {0U, 1U}) {
    ASSERT_TRUE(times[i].cold.has_value());
    EXPECT_EQ(times[i].warm.seconds.size(), 3U);
    EXPECT_EQ(times[i].cold->seconds.size(), 3U);
    const double expected = i == 0 ? 0.5e-3 : 2e-3;
    for (const double seconds : times[i].warm.seconds) EXPECT_NEAR(seconds, expected, 1e-9);
    for (const double seconds : times[i].cold->seconds) EXPECT_NEAR(seconds, expected, 1e-9);
  }
  EXPECT_EQ(fake_.live_events, 0);
}

TEST_F(CallTimesTest, TheMemoryThatEmptiesTheCacheIsTakenOnce) {
  const auto call = work(1000);
  synchronise(Device::kCuda);
  fake_.calls.clear();
  time_in_turns(Device::kCuda, {call}, {.warm_up = 0, .min_repeats = 9, .max_repeats = 9});
  EXPECT_EQ(fake_.count("cudaMallocFromPoolAsync"), 1);
}

// A copy of one launch and a product of one launch, each of 1 ms.
TEST_F(CallTimesTest, ACopyIsOfMoreThanTheCacheHolds) {
  test::install_fake_cublas();
  test::FakeLaunches::instance().milliseconds = 1.0;
  Workload w;
  w.tokens = 8;
  w.width = w.hidden = w.out = 16;
  const TimingOptions once = {.warm_up = 0, .min_repeats = 1, .max_repeats = 1};
  const auto copied = [&] {
    const std::optional<Rates> rates = measure_rates(w, DType::kFloat32, Device::kCuda, once);
    EXPECT_NEAR(rates->product, 2.0 * 16 * 16 * 32 / 1e-3, 100.0);
    return rates->copy * 1e-3 / 2.0;
  };
  EXPECT_NEAR(copied(), 64.0 * 1024 * 1024, 100.0);
  fake_.cache_bytes = 50'000'000;
  EXPECT_NEAR(copied(), 200e6, 100.0);
  test::FakeLaunches::instance().milliseconds = 0.0;
}

TEST_F(CallTimesTest, AFailedCallIsAnError) {
  const auto fails = [] { throw Error("no"); };
  EXPECT_THROW(time_in_turns(Device::kCuda, {fails}, {}), Error);
  EXPECT_EQ(fake_.live_events, 0);
}

TEST_F(CallTimesTest, WithoutACacheThereAreNoColdTimes) {
  fake_.cache_bytes = 0;
  const TimingOptions once = {.warm_up = 0, .min_repeats = 1, .max_repeats = 1};
  const auto call = work(1000);
  EXPECT_FALSE(time_in_turns(Device::kCuda, {call}, once).front().cold.has_value());
  EXPECT_FALSE(time_in_turns(Device::kCpu, {[] {}}, once).front().cold.has_value());
  EXPECT_EQ(cache_bytes(Device::kCpu), 0.0);
}

}  // namespace
}  // namespace switchyard::moe_bench

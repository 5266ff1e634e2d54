#include "kernels/api/norm.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// Checks what the workbench's sweeps over sizes, types and alignments do not say.

namespace switchyard::test {
namespace {

using kernels::BatchNormBackward;
using kernels::BatchNormForward;
using kernels::ChannelAffine;
using kernels::Refusal;
using kernels::Simt;

constexpr double kEpsilon = 1e-5;

template <class T>
class CudaNorm : public testing::Test {
 protected:
  /// y, mean and variance of batch_norm_forward without a tail, gamma = 1 and beta = 0.
  struct Normalised {
    std::vector<double> y, mean, variance;
  };
  Normalised normalise(const kernels::Rung<Simt, BatchNormForward<T>>& rung,
                       const std::vector<T>& x, std::int64_t channels) {
    const auto size = static_cast<std::int64_t>(x.size());
    const std::vector<T> ones(static_cast<std::size_t>(channels), T{1});
    const std::vector<T> zeros(static_cast<std::size_t>(channels), T{0});
    GuardedBuffer<T> y(size), mean(channels), variance(channels);
    run_rung(simt_, rung,
             BatchNormForward<T>{.x = x.data(),
                                 .gamma = ones.data(),
                                 .beta = zeros.data(),
                                 .epsilon = kEpsilon,
                                 .y = y.data(),
                                 .mean = mean.data(),
                                 .variance = variance.data(),
                                 .rows = size / channels,
                                 .channels = channels});
    return {y.values(), mean.values(), variance.values()};
  }
  static std::vector<T> random_values(std::int64_t count) {
    const std::vector<double> values = random_tensor({count}, 1).to_doubles();
    return {values.begin(), values.end()};
  }

  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaNorm, RealTypes);

TYPED_TEST(CudaNorm, VarianceKeepsItsDigitsFarFromZero) {
  using T = TypeParam;
  std::vector<T> x(3000 * 4);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<T>(1000.0 + (i / 4 % 2 == 0 ? 0.25 : -0.25));  // exact in float32
  }
  const std::vector<double> want(4, 0.0625);
  for (const auto& rung : kernels::ladder<Simt, BatchNormForward<T>>()) {
    EXPECT_LE(relative_error(this->normalise(rung, x, 4).variance, want), tolerance(kDTypeOf<T>))
        << rung.name;
  }
}

TYPED_TEST(CudaNorm, NaNReachesItsOwnChannelAlone) {
  using T = TypeParam;
  std::vector<T> x = this->random_values(600 * 4);
  x[1202] = std::numeric_limits<T>::quiet_NaN();  // channel 2
  for (const auto& rung : kernels::ladder<Simt, BatchNormForward<T>>()) {
    const auto result = this->normalise(rung, x, 4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(std::isnan(result.y[i]), i % 4 == 2) << rung.name << ", " << i;
    }
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_EQ(std::isnan(result.mean[c]), c == 2) << rung.name;
      EXPECT_EQ(std::isnan(result.variance[c]), c == 2) << rung.name;
    }
  }
}

TYPED_TEST(CudaNorm, ReluLetsNaNPass) {
  using T = TypeParam;
  const std::vector<T> x = {std::numeric_limits<T>::quiet_NaN(), T{-1}, T{2}, T{0}};
  const std::vector<T> one(4, T{1});
  for (const auto& rung : kernels::ladder<Simt, ChannelAffine<T>>()) {
    GuardedBuffer<T> y(4);
    run_rung(this->simt_, rung,
             ChannelAffine<T>{.x = x.data(),
                              .scale = one.data(),
                              .relu = true,
                              .y = y.data(),
                              .rows = 1,
                              .channels = 4});
    EXPECT_TRUE(std::isnan(y.data()[0])) << rung.name;
    EXPECT_EQ(y.data()[1], T{0}) << rung.name;
    EXPECT_EQ(y.data()[2], T{2}) << rung.name;
  }
}

TYPED_TEST(CudaNorm, NoRowsWriteNothing) {
  using T = TypeParam;
  const std::vector<T> one(4, T{1});
  GuardedBuffer<T> y(0);
  for (const auto& rung : kernels::ladder<Simt, ChannelAffine<T>>()) {
    run_rung(this->simt_, rung,
             ChannelAffine<T>{.x = one.data(), .scale = one.data(), .y = y.data(), .channels = 4});
  }
}

TYPED_TEST(CudaNorm, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const std::vector<T> x = this->random_values(1027 * 8);
  for (const auto& rung : kernels::ladder<Simt, BatchNormForward<T>>()) {
    std::vector<std::vector<double>> results;
    for_thread_counts([&] { results.push_back(this->normalise(rung, x, 8).y); });
    for (const auto& result : results) EXPECT_EQ(result, results.front()) << rung.name;
  }
}

TYPED_TEST(CudaNorm, WideRungRefusesWhatIsNotAligned) {
  using T = TypeParam;
  std::vector<T> x(9, T{1});
  expect_error<Refusal>(
      [&] {
        run_rung(
            this->simt_, "channel_map_row_walk_wide",
            ChannelAffine<T>{
                .x = x.data() + 1, .scale = x.data(), .y = x.data(), .rows = 1, .channels = 8});
      },
      "[channel_map_row_walk_wide] needs operands 16-byte aligned");
}

TYPED_TEST(CudaNorm, MoreChannelsThanIndicesCoverAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  const auto expect_refused = [](std::string_view name, auto&& call) {
    expect_error<Refusal>(call, fmt::format("[{}] channels of 2147483648", name));
  };
  for (const auto& rung : kernels::ladder<Simt, ChannelAffine<T>>()) {
    expect_refused(rung.name, [&] {
      run_rung(this->simt_, rung, ChannelAffine<T>{.rows = 1, .channels = kMany});
    });
  }
  for (const auto& rung : kernels::ladder<Simt, BatchNormForward<T>>()) {
    expect_refused(rung.name, [&] {
      run_rung(this->simt_, rung, BatchNormForward<T>{.rows = 1, .channels = kMany});
    });
  }
  for (const auto& rung : kernels::ladder<Simt, BatchNormBackward<T>>()) {
    expect_refused(rung.name, [&] {
      run_rung(this->simt_, rung, BatchNormBackward<T>{.rows = 1, .channels = kMany});
    });
  }
}

TYPED_TEST(CudaNorm, MoreElementsThanBlocksCoverAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  for (const auto& rung : kernels::ladder<Simt, ChannelAffine<T>>()) {
    expect_error<Refusal>(
        [&] {
          run_rung(this->simt_, rung,
                   ChannelAffine<T>{.rows = std::int64_t{1} << 44, .channels = 4});
        },
        fmt::format("[{}] blocks of ", rung.name));
  }
}

}  // namespace
}  // namespace switchyard::test

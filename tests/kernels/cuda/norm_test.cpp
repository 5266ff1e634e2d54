#include "kernels/api/norm.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// What the workbench's sweeps over sizes, types and alignments do not say.

namespace switchyard::test {
namespace {

using kernels::Simt;

constexpr double kEpsilon = 1e-5;

template <class T>
class CudaNorm : public testing::Test {
 protected:
  /// y, mean and variance of batch_norm_forward without a tail, gamma = 1 and beta = 0.
  struct Normalised {
    std::vector<double> y, mean, variance;
  };
  Normalised normalise(kernels::BatchNormForwardFunction<Simt, T>* run, const std::vector<T>& x,
                       std::int64_t channels) {
    const auto size = static_cast<std::int64_t>(x.size());
    const std::vector<T> ones(static_cast<std::size_t>(channels), T{1});
    const std::vector<T> zeros(static_cast<std::size_t>(channels), T{0});
    GuardedBuffer<T> y(size), mean(channels), variance(channels);
    run(simt_, size / channels, channels, x.data(), ones.data(), zeros.data(), kEpsilon, {},
        y.data(), mean.data(), variance.data());
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
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    EXPECT_LE(relative_error(this->normalise(variant.run, x, 4).variance, want),
              tolerance(kDTypeOf<T>))
        << variant.name;
  }
}

TYPED_TEST(CudaNorm, NaNReachesItsOwnChannelAlone) {
  using T = TypeParam;
  std::vector<T> x = this->random_values(600 * 4);
  x[1202] = std::numeric_limits<T>::quiet_NaN();  // channel 2
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    const auto result = this->normalise(variant.run, x, 4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(std::isnan(result.y[i]), i % 4 == 2) << variant.name << ", " << i;
    }
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_EQ(std::isnan(result.mean[c]), c == 2) << variant.name;
      EXPECT_EQ(std::isnan(result.variance[c]), c == 2) << variant.name;
    }
  }
}

TYPED_TEST(CudaNorm, ReluLetsNaNPass) {
  using T = TypeParam;
  const std::vector<T> x = {std::numeric_limits<T>::quiet_NaN(), T{-1}, T{2}, T{0}};
  const std::vector<T> one(4, T{1});
  for (const auto& variant : kernels::channel_affine_ladder<Simt, T>()) {
    GuardedBuffer<T> y(4);
    variant.run(this->simt_, 1, 4, x.data(), one.data(), nullptr, {nullptr, true}, y.data());
    EXPECT_TRUE(std::isnan(y.data()[0])) << variant.name;
    EXPECT_EQ(y.data()[1], T{0}) << variant.name;
    EXPECT_EQ(y.data()[2], T{2}) << variant.name;
  }
}

TYPED_TEST(CudaNorm, NoRowsWriteNothing) {
  using T = TypeParam;
  const std::vector<T> one(4, T{1});
  GuardedBuffer<T> y(0);
  for (const auto& variant : kernels::channel_affine_ladder<Simt, T>()) {
    variant.run(this->simt_, 0, 4, one.data(), one.data(), nullptr, {}, y.data());
  }
}

TYPED_TEST(CudaNorm, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const std::vector<T> x = this->random_values(1027 * 8);
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    std::vector<std::vector<double>> results;
    for_thread_counts([&] { results.push_back(this->normalise(variant.run, x, 8).y); });
    for (const auto& result : results) EXPECT_EQ(result, results.front()) << variant.name;
  }
}

TYPED_TEST(CudaNorm, WideVariantRefusesWhatIsNotAligned) {
  using T = TypeParam;
  std::vector<T> x(9, T{1});
  expect_error<std::invalid_argument>(
      [&] {
        kernels::channel_affine_ladder<Simt, T>().back().run(this->simt_, 1, 8, x.data() + 1,
                                                             x.data(), nullptr, {}, x.data());
      },
      "[channel_map_row_walk_wide] needs operands 16-byte aligned");
}

TYPED_TEST(CudaNorm, MoreChannelsThanIndicesCoverAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  const T* const nothing = nullptr;
  T* const nowhere = nullptr;
  const auto expect_refused = [](std::string_view name, auto&& call) {
    expect_error<std::invalid_argument>(call, fmt::format("[{}] channels of 2147483648", name));
  };
  for (const auto& variant : kernels::channel_affine_ladder<Simt, T>()) {
    expect_refused(variant.name, [&] {
      variant.run(this->simt_, 1, kMany, nothing, nothing, nothing, {}, nowhere);
    });
  }
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    expect_refused(variant.name, [&] {
      variant.run(this->simt_, 1, kMany, nothing, nothing, nothing, kEpsilon, {}, nowhere, nowhere,
                  nowhere);
    });
  }
  for (const auto& variant : kernels::batch_norm_backward_ladder<Simt, T>()) {
    expect_refused(variant.name, [&] { variant.run(this->simt_, 1, kMany, {}); });
  }
}

TYPED_TEST(CudaNorm, MoreElementsThanBlocksCoverAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  const T* const nothing = nullptr;
  T* const nowhere = nullptr;
  for (const auto& variant : kernels::channel_affine_ladder<Simt, T>()) {
    expect_error<std::invalid_argument>(
        [&] {
          variant.run(this->simt_, std::int64_t{1} << 44, 4, nothing, nothing, nothing, {},
                      nowhere);
        },
        fmt::format("[{}] blocks of ", variant.name));
  }
}

}  // namespace
}  // namespace switchyard::test

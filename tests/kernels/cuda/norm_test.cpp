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

namespace switchyard::test {
namespace {

using kernels::Simt;

constexpr double kEpsilon = 1e-5;

struct Case {
  std::int64_t rows, channels;
  bool relu, residual;
};
const std::vector<Case> kCases = {
    {1, 1, false, false},  {5, 3, true, true},     {31, 1, true, false},  {33, 127, true, true},
    {1027, 8, true, true}, {700, 36, false, true}, {129, 64, true, false}};

/// The operands of one call and the textbook's evaluation in float64, a channel at a time. `shift`
/// elements lie before every operand: 1 makes them unaligned to 16 bytes.
template <class T>
struct Problem {
  Case c;
  std::int64_t shift;
  std::vector<T> x, gamma, beta, residual, gy;
  std::vector<double> y, affine, mean, variance, gx, ggamma, gbeta, gtail;

  explicit Problem(const Case& size, std::int64_t offset = 0)
      : c(size),
        shift(offset),
        x(numbers(count() + shift, 1, 0.5)),
        gamma(numbers(c.channels, 2, 1.0)),
        beta(numbers(c.channels, 3, 0.0)),
        residual(numbers(count() + shift, 4, 0.0)),
        gy(numbers(count() + shift, 5, 0.3)),
        y(static_cast<std::size_t>(count())),
        affine(y),
        gx(y),
        gtail(y) {
    for (std::int64_t channel = 0; channel < c.channels; ++channel) solve(channel);
  }
  std::int64_t count() const { return c.rows * c.channels; }
  static std::vector<T> numbers(std::int64_t size, std::uint64_t seed, double add) {
    std::vector<T> values;
    for (const double v : random_tensor({size}, seed).to_doubles()) {
      values.push_back(static_cast<T>(v + add));
    }
    return values;
  }
  const T* from(const std::vector<T>& operand) const { return operand.data() + shift; }
  kernels::AffineTail<T> tail() const { return {c.residual ? from(residual) : nullptr, c.relu}; }

  void solve(std::int64_t channel) {
    const auto n = static_cast<double>(c.rows);
    const auto ch = static_cast<std::size_t>(channel);
    const auto each_row = [&](const auto& body) {
      for (std::int64_t r = 0; r < c.rows; ++r) body(r * c.channels + channel);
    };
    double m = 0;
    double v = 0;
    each_row([&](std::int64_t i) { m += double{from(x)[i]} / n; });
    each_row([&](std::int64_t i) { v += std::pow(double{from(x)[i]} - m, 2) / n; });
    const double inverse = 1 / std::sqrt(v + kEpsilon);
    double sum_g = 0;
    double sum_gx = 0;
    each_row([&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      const double hat = (double{from(x)[i]} - m) * inverse;
      const double add = c.residual ? double{from(residual)[i]} : 0.0;
      const auto relu = [&](double value) { return c.relu && value < 0 ? 0.0 : value; };
      y[at] = relu(hat * gamma[ch] + beta[ch] + add);
      affine[at] = relu(double{from(x)[i]} * gamma[ch] + beta[ch] + add);
      gtail[at] = c.relu && y[at] <= 0 ? 0.0 : double{from(gy)[i]};
      sum_g += gtail[at];
      sum_gx += gtail[at] * hat;
    });
    each_row([&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      const double hat = (double{from(x)[i]} - m) * inverse;
      gx[at] = gamma[ch] * inverse * (gtail[at] - sum_g / n - hat * sum_gx / n);
    });
    mean.push_back(m);
    variance.push_back(v);
    ggamma.push_back(sum_gx);
    gbeta.push_back(sum_g);
  }
};

template <class T>
class CudaNorm : public testing::Test {
 protected:
  using Forward = kernels::BatchNormForwardFunction<Simt, T>;
  using Backward = kernels::BatchNormBackwardFunction<Simt, T>;
  using Affine = kernels::ChannelAffineFunction<Simt, T>;

  static void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
    EXPECT_LE(relative_error(got, want), tolerance(kDTypeOf<T>));
  }
  void expect_forward(Forward* run, const Problem<T>& in) {
    GuardedBuffer<T> y(in.count()), mean(in.c.channels), variance(in.c.channels);
    run(simt_, in.c.rows, in.c.channels, in.from(in.x), in.gamma.data(), in.beta.data(), kEpsilon,
        in.tail(), y.data(), mean.data(), variance.data());
    expect_near(mean.values(), in.mean);
    expect_near(variance.values(), in.variance);
    expect_near(y.values(), in.y);
  }
  void expect_backward(Backward* run, const Problem<T>& in, bool want_tail) {
    if (in.c.rows == 1) return;  // gx is 0 up to rounding
    const std::vector<T> y = rounded(in.y, in.shift);
    const std::vector<T> mean = rounded(in.mean, 0);
    const std::vector<T> variance = rounded(in.variance, 0);
    GuardedBuffer<T> gx(in.count()), gtail(in.count());
    GuardedBuffer<T> ggamma(in.c.channels), gbeta(in.c.channels);
    run(simt_, in.c.rows, in.c.channels,
        {.gy = in.from(in.gy),
         .x = in.from(in.x),
         .y = in.c.relu ? in.from(y) : nullptr,
         .gamma = in.gamma.data(),
         .mean = mean.data(),
         .variance = variance.data(),
         .epsilon = kEpsilon,
         .gx = gx.data(),
         .ggamma = ggamma.data(),
         .gbeta = gbeta.data(),
         .gtail = want_tail ? gtail.data() : nullptr});
    if (want_tail) expect_near(gtail.values(), in.gtail);
    expect_near(ggamma.values(), in.ggamma);
    expect_near(gbeta.values(), in.gbeta);
    expect_near(gx.values(), in.gx);
  }
  void expect_affine(Affine* run, const Problem<T>& in) {
    GuardedBuffer<T> y(in.count());
    run(simt_, in.c.rows, in.c.channels, in.from(in.x), in.gamma.data(), in.beta.data(), in.tail(),
        y.data());
    expect_near(y.values(), in.affine);
  }
  static std::vector<T> rounded(const std::vector<double>& values, std::int64_t shift) {
    std::vector<T> result(static_cast<std::size_t>(shift), T{0});
    for (const double v : values) result.push_back(static_cast<T>(v));
    return result;
  }

  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaNorm, RealTypes);

TYPED_TEST(CudaNorm, EveryVariantMatchesTheTextbook) {
  using T = TypeParam;
  for (const Case& c : kCases) {
    SCOPED_TRACE(fmt::format("{} x {}", c.rows, c.channels));
    const Problem<T> in(c);
    const bool wide = c.channels % 4 == 0;
    for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
      SCOPED_TRACE(variant.name);
      if (variant.needs.empty() || wide) this->expect_forward(variant.run, in);
    }
    for (const auto& variant : kernels::batch_norm_backward_ladder<Simt, T>()) {
      SCOPED_TRACE(variant.name);
      if (variant.needs.empty() || wide) this->expect_backward(variant.run, in, true);
    }
    for (const auto& variant : kernels::channel_affine_ladder<Simt, T>()) {
      SCOPED_TRACE(variant.name);
      if (variant.needs.empty() || wide) this->expect_affine(variant.run, in);
    }
  }
}

TYPED_TEST(CudaNorm, EntryPointsTakeAnySizeAndAlignment) {
  using T = TypeParam;
  for (const Case& c : kCases) {
    for (const std::int64_t shift : {0, 1}) {
      SCOPED_TRACE(fmt::format("{} x {}, shifted by {}", c.rows, c.channels, shift));
      const Problem<T> in(c, shift);
      this->expect_forward(kernels::batch_norm_forward<Simt, T>, in);
      this->expect_backward(kernels::batch_norm_backward<Simt, T>, in, false);
      this->expect_affine(kernels::channel_affine<Simt, T>, in);
    }
  }
}

TYPED_TEST(CudaNorm, VarianceKeepsItsDigitsFarFromZero) {
  using T = TypeParam;
  Problem<T> in({3000, 4, false, false});
  std::vector<double> want(4, 0.0);
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    in.x[i] = static_cast<T>(1000.0 + (i / 4 % 2 == 0 ? 0.25 : -0.25));  // exact in float32
  }
  for (double& v : want) v = 0.0625;
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    GuardedBuffer<T> y(in.count()), mean(4), variance(4);
    variant.run(this->simt_, 3000, 4, in.x.data(), in.gamma.data(), in.beta.data(), kEpsilon, {},
                y.data(), mean.data(), variance.data());
    EXPECT_LE(relative_error(variance.values(), want), tolerance(kDTypeOf<T>)) << variant.name;
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

TYPED_TEST(CudaNorm, NoRowsAndNoChannelsWriteNothing) {
  using T = TypeParam;
  const std::vector<T> one(4, T{1});
  GuardedBuffer<T> y(0), mean(0), variance(0);
  for (const auto& variant : kernels::channel_affine_ladder<Simt, T>()) {
    variant.run(this->simt_, 0, 4, one.data(), one.data(), nullptr, {}, y.data());
    variant.run(this->simt_, 4, 0, one.data(), one.data(), nullptr, {}, y.data());
  }
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    variant.run(this->simt_, 4, 0, one.data(), one.data(), one.data(), kEpsilon, {}, y.data(),
                mean.data(), variance.data());
  }
  for (const auto& variant : kernels::batch_norm_backward_ladder<Simt, T>()) {
    variant.run(this->simt_, 4, 0, {.gx = y.data(), .ggamma = mean.data(), .gbeta = y.data()});
  }
}

TYPED_TEST(CudaNorm, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Problem<T> in({1027, 8, false, false});
  for (const auto& variant : kernels::batch_norm_forward_ladder<Simt, T>()) {
    std::vector<std::vector<double>> results;
    for_thread_counts([&] {
      GuardedBuffer<T> y(in.count()), mean(8), variance(8);
      variant.run(this->simt_, 1027, 8, in.x.data(), in.gamma.data(), in.beta.data(), kEpsilon, {},
                  y.data(), mean.data(), variance.data());
      results.push_back(y.values());
    });
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

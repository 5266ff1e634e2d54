// Checks values and derivatives of the smooth elementwise functions to a few units in the last
// place, from the smallest numbers to the largest, on every device. The references are evaluated in
// long double (64 bits of mantissa) from forms that do not cancel;
// tests/engine/ops/elementwise_test.cpp holds the functions against their plain definitions.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Real = long double;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Units in the last place. Vector exponentials may be off by 4, and a derivative has several.
constexpr double kUnits = 10.0;

/// A true value with the sum of its terms' magnitudes, against which an error is measured: the same
/// but near a point where the value changes its sign.
struct Exact {
  Real value;
  Real magnitude;
  Exact(Real alone) : value(alone), magnitude(std::abs(alone)) {}  // NOLINT: mostly the same
  Exact(Real sum, Real terms) : value(sum), magnitude(terms) {}
};

Real cdf(Real x) { return std::erfc(-x / std::numbers::sqrt2_v<Real>) / 2; }
Real density(Real x) {
  return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<Real> / std::numbers::sqrt2_v<Real>;
}
Real sigma(Real x) {
  const Real e = std::exp(-std::abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
Real slope_of_sigma(Real x) { return sigma(x) * sigma(-x); }

/// A function with its first two derivatives.
struct Function {
  const char* name;
  Tensor (*op)(const Tensor&);
  Exact (*value)(Real);
  Exact (*first)(Real);
  Exact (*second)(Real);
};

const std::vector<Function> kFunctions = {
    {"tanh", tanh, [](Real x) { return Exact(std::tanh(x)); },
     [](Real x) { return Exact(4 * slope_of_sigma(2 * x)); },
     [](Real x) { return Exact(-8 * slope_of_sigma(2 * x) * std::tanh(x)); }},
    {"erf", erf, [](Real x) { return Exact(std::erf(x)); },
     [](Real x) { return Exact(2 * std::numbers::inv_sqrtpi_v<Real> * std::exp(-x * x)); },
     [](Real x) { return Exact(-4 * std::numbers::inv_sqrtpi_v<Real> * x * std::exp(-x * x)); }},
    {"normal_cdf", normal_cdf, [](Real x) { return Exact(cdf(x)); },
     [](Real x) { return Exact(density(x)); }, [](Real x) { return Exact(-x * density(x)); }},
    {"sigmoid", sigmoid, [](Real x) { return Exact(sigma(x)); },
     [](Real x) { return Exact(slope_of_sigma(x)); },
     [](Real x) { return Exact(-slope_of_sigma(x) * std::tanh(x / 2)); }},
    {"softplus", softplus,
     [](Real x) { return Exact(std::max<Real>(x, 0) + std::log1p(std::exp(-std::abs(x)))); },
     [](Real x) { return Exact(sigma(x)); }, [](Real x) { return Exact(slope_of_sigma(x)); }},
    {"gelu", gelu, [](Real x) { return Exact(x * cdf(x)); },
     [](Real x) { return Exact(cdf(x) + x * density(x), cdf(x) + std::abs(x) * density(x)); },
     [](Real x) { return Exact(density(x) * (2 - x * x), density(x) * (2 + x * x)); }},
    {"silu", silu, [](Real x) { return Exact(x * sigma(x)); },
     [](Real x) {
       return Exact(sigma(x) * (1 + x * sigma(-x)), sigma(x) * (1 + std::abs(x) * sigma(-x)));
     },
     [](Real x) {
       return Exact(slope_of_sigma(x) * (2 - x * std::tanh(x / 2)),
                    slope_of_sigma(x) * (2 + std::abs(x)));
     }},
};

/// Both signs of numbers from the smallest to the largest of the type: dense where the functions
/// vary, and every power of two.
template <class T>
std::vector<double> arguments() {
  std::vector<double> x = {0.0};
  const double far = sizeof(T) == 4 ? 120.0 : 800.0;
  for (double at = 0.0137; at < far; at += at < 40.0 ? 0.0271 : 0.731) x.push_back(at);
  for (int power = std::numeric_limits<T>::min_exponent - 1;
       power < std::numeric_limits<T>::max_exponent; power += 3) {
    x.push_back(std::ldexp(1.3, power));
  }
  const std::size_t half = x.size();
  for (std::size_t i = 0; i < half; ++i) x.push_back(-x[i]);
  for (double& value : x) value = static_cast<double>(static_cast<T>(value));
  return x;
}

/// The function's value and derivatives at x.
std::vector<std::vector<double>> evaluate(const Function& function, const Tensor& at) {
  Tensor x = at.detach();
  x.set_requires_grad();
  const std::vector<Tensor> inputs = {x};
  const Tensor y = function.op(x);
  const Tensor first = grad(sum(y), inputs, {.create_graph = true})[0];
  const Tensor second = grad(sum(first), inputs)[0];
  return {y.to_doubles(), first.to_doubles(), second.to_doubles()};
}

template <class T>
void expect_accurate(Device device) {
  const std::vector<double> x = arguments<T>();
  const Tensor at = Tensor::from({static_cast<std::int64_t>(x.size())}, x)
                        .to(sizeof(T) == 4 ? DType::kFloat32 : DType::kFloat64)
                        .to(device);
  for (const Function& function : kFunctions) {
    const auto got = evaluate(function, at);
    for (std::size_t order = 0; order < 3; ++order) {
      const auto exact = order == 0   ? function.value
                         : order == 1 ? function.first
                                      : function.second;
      double worst = 0.0;
      double worst_at = 0.0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const Exact want = exact(x[i]);
        // Below the smallest normal number digits are lost, and a factor x² may follow.
        const Real allowed =
            std::numeric_limits<T>::epsilon() * want.magnitude +
            std::numeric_limits<T>::denorm_min() * (1 + std::min<Real>(x[i] * x[i], 1e6L));
        const auto units = static_cast<double>(std::abs(got[order][i] - want.value) / allowed);
        if (units <= worst) continue;
        worst = units;
        worst_at = x[i];
      }
      EXPECT_LE(worst, kUnits) << function.name << ", derivative " << order << " on "
                               << name(device) << " in " << sizeof(T) << " bytes at " << worst_at;
    }
  }
}

TEST(ElementwiseAccuracy, OnTheCpu) {
  expect_accurate<float>(Device::kCpu);
  expect_accurate<double>(Device::kCpu);
}

class ElementwiseAccuracyOn : public DeviceTest {};
TEST_P(ElementwiseAccuracyOn, IsTheSame) {
  expect_accurate<float>(GetParam());
  expect_accurate<double>(GetParam());
}
INSTANTIATE_TEST_SUITE_P(ElementwiseAccuracy, ElementwiseAccuracyOn, other_devices(),
                         device_test_name);

/// {value, first, second} at +∞ and -∞.
TEST(ElementwiseAccuracy, InfinitiesGiveTheLimits) {
  const std::map<std::string, std::array<std::array<double, 3>, 2>> limits = {
      {"tanh", {{{1, 0, 0}, {-1, 0, 0}}}},
      {"erf", {{{1, 0, 0}, {-1, 0, 0}}}},
      {"normal_cdf", {{{1, 0, 0}, {0, 0, 0}}}},
      {"sigmoid", {{{1, 0, 0}, {0, 0, 0}}}},
      {"softplus", {{{kInfinity, 1, 0}, {0, 0, 0}}}},
      {"gelu", {{{kInfinity, 1, 0}, {0, 0, 0}}}},
      {"silu", {{{kInfinity, 1, 0}, {0, 0, 0}}}}};
  for (const Device device : {Device::kCpu, Device::kSimt}) {
    if (!unavailable_reason(device).empty()) continue;
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      // This covers the vector and the scalar part of a loop.
      for (const double x : {kInfinity, -kInfinity}) {
        const Tensor at = Tensor::full({19}, x, dtype).to(device);
        for (const Function& function : kFunctions) {
          const auto got = evaluate(function, at);
          for (std::size_t order = 0; order < 3; ++order) {
            const double want = limits.at(function.name)[x > 0 ? 0 : 1][order];
            for (const std::size_t i : {0, 18}) {
              EXPECT_EQ(got[order][i], want) << function.name << ", derivative " << order << ", "
                                             << x << ", " << name(device) << ", " << name(dtype);
            }
          }
        }
      }
    }
  }
}

TEST(ElementwiseAccuracy, NanReachesTheDerivatives) {
  const Tensor at = Tensor::full({3}, std::nan(""), DType::kFloat64);
  for (const Function& function : kFunctions) {
    for (const auto& values : evaluate(function, at)) {
      EXPECT_TRUE(std::isnan(values[1])) << function.name;
    }
  }
}

/// n / n is 1; n · (1/n) is not for n = 49 and 134 other numbers up to 1000 in float32.
TEST(Division, MeansOfOnesAreOne) {
  for (const Device device : {Device::kCpu, Device::kSimt}) {
    if (!unavailable_reason(device).empty()) continue;
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      for (std::int64_t n = 1; n <= 1000; ++n) {
        const Tensor ones = Tensor::full({n, 2}, 1.0, dtype).to(device);
        EXPECT_EQ(mean(ones).item(), 1.0) << n;
        EXPECT_EQ(mean(ones, {0}).to_doubles(), (std::vector<double>{1.0, 1.0})) << n;
        EXPECT_EQ(
            (Tensor::full({1}, static_cast<double>(n), dtype).to(device) / static_cast<double>(n))
                .item(),
            1.0)
            << n;
      }
    }
  }
}

TEST(Division, IsRoundedOnce) {
  for (const float divisor : {3.0F, 7.0F, 49.0F, 0.7F}) {
    Tensor x = Tensor::from<float>({3}, {1.0F, 5.0F, -0.3F});
    x.set_requires_grad();
    const Tensor y = x / double{divisor};
    const Tensor gradient = grad(sum(y), std::vector<Tensor>{x})[0];
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(y.span<float>()[i], x.span<float>()[i] / divisor);
      EXPECT_EQ(gradient.span<float>()[i], 1.0F / divisor);
    }
  }
}

TEST(Clamp, KeepsWhatLiesBetweenAndItsGradient) {
  Tensor x = Tensor::from<double>({6}, {-kInfinity, -1.0, 0.25, 2.0, kInfinity, std::nan("")});
  x.set_requires_grad();
  const Tensor y = clamp(x, -1.0, 2.0);
  const std::vector<double> values = y.to_doubles();
  EXPECT_EQ((std::vector<double>(values.begin(), values.end() - 1)),
            (std::vector<double>{-1.0, -1.0, 0.25, 2.0, 2.0}));
  EXPECT_TRUE(std::isnan(values.back()));
  const std::vector<double> gradient = grad(sum(y), std::vector<Tensor>{x})[0].to_doubles();
  EXPECT_EQ(gradient, (std::vector<double>{0.0, 0.0, 1.0, 0.0, 0.0, 0.0}));
  EXPECT_THROW(clamp(x, 1.0, -1.0), Error);
}

TEST(Gaussian, RefusesARateThatIsNoPowerOfTwo) {
  const Tensor x = Tensor::full({1}, 1.0, DType::kFloat64);
  for (const double rate : {0.25, 0.7, 3.0, -1.0}) EXPECT_THROW(gaussian(x, rate), Error) << rate;
}

}  // namespace
}  // namespace switchyard::test

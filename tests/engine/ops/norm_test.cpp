// Checks batch normalisation where a channel's mean is large against its deviation, up to channels
// whose numbers are all the same. What the operation computes is in engine/ops/cases/norm.cpp.

#include "engine/ops/norm.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Real = long double;

constexpr double kEpsilon = 1e-5;
constexpr std::int64_t kRows = 1031;  // more than one chunk's partial sums, no multiple of anything

/// y and the gradients of <y, c> by x, gamma and beta.
struct Results {
  std::vector<double> y, gx, ggamma, gbeta;
};

using Normalise = Tensor (*)(const Tensor&, const Tensor&, const Tensor&);
Tensor fused(const Tensor& x, const Tensor& gamma, const Tensor& beta) {
  return batch_norm(x, gamma, beta, kEpsilon).y;
}
Tensor composed(const Tensor& x, const Tensor& gamma, const Tensor& beta) {
  return batch_norm_composed(x, gamma, beta, kEpsilon);
}

Results evaluate(Normalise normalise, const Tensor& x, const Tensor& c, double gamma, double beta) {
  const std::vector<Tensor> inputs = {
      x.detach().set_requires_grad(),
      Tensor::full({x.size(1)}, gamma, x.dtype()).to(x.device()).set_requires_grad(),
      Tensor::full({x.size(1)}, beta, x.dtype()).to(x.device()).set_requires_grad()};
  const Tensor y = normalise(inputs[0], inputs[1], inputs[2]);
  const std::vector<Tensor> gradients = grad(dot(y, c), inputs);
  return {y.to_doubles(), gradients[0].to_doubles(), gradients[1].to_doubles(),
          gradients[2].to_doubles()};
}

/// Computes the same of one channel in long double.
Results exact(const std::vector<double>& x, const std::vector<double>& c, Real gamma, Real beta) {
  const auto n = static_cast<Real>(x.size());
  Real mean = 0;
  for (const double value : x) mean += value / n;
  Real variance = 0;
  for (const double value : x) variance += (value - mean) * (value - mean) / n;
  const Real sigma = std::sqrt(variance + static_cast<Real>(kEpsilon));
  Real gbeta = 0;
  Real ggamma = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    gbeta += c[i];
    ggamma += c[i] * (x[i] - mean) / sigma;
  }
  Results results{{}, {}, {static_cast<double>(ggamma)}, {static_cast<double>(gbeta)}};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real hat = (x[i] - mean) / sigma;
    results.y.push_back(static_cast<double>(hat * gamma + beta));
    results.gx.push_back(
        static_cast<double>(gamma / sigma * (c[i] - gbeta / n - hat * ggamma / n)));
  }
  return results;
}

const std::vector<Device>& devices() {
  static const std::vector<Device> all = unavailable_reason(Device::kSimt).empty()
                                             ? std::vector{Device::kCpu, Device::kSimt}
                                             : std::vector{Device::kCpu};
  return all;
}

/// Calls check(normalise, device, dtype) for all of them.
template <class Check>
void for_each_way(const Check& check) {
  for (const Device device : devices()) {
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      for (const Normalise normalise : {fused, composed}) {
        SCOPED_TRACE(fmt::format("{} {} {}", name(device), name(dtype),
                                 normalise == fused ? "fused" : "composed"));
        check(normalise, device, dtype);
      }
    }
  }
}

TEST(BatchNorm, AConstantChannelBecomesBeta) {
  for_each_way([](Normalise normalise, Device device, DType dtype) {
    const std::vector<double> constants = {0.0, 0.1, 100.0, -100.1, 1e6, 1e6 + 1.0 / 3.0, -3e30};
    const auto channels = static_cast<std::int64_t>(constants.size());
    const Tensor row = Tensor::from({1, channels}, constants).to(dtype);
    const Tensor x = broadcast_to(row, {kRows, channels}).to(device);
    const double beta = -0.75;  // exact
    const Tensor c = random_tensor({kRows, channels}, 3, dtype).to(device);
    const Results got = evaluate(normalise, x, c, 1.3, beta);
    for (std::size_t i = 0; i < got.y.size(); ++i) ASSERT_EQ(got.y[i], beta) << i;
    for (const double value : got.ggamma) EXPECT_EQ(value, 0.0);
    // gx is gamma / sqrt(epsilon) · (c - mean(c)).
    const std::vector<double> cotangent = c.to_doubles();
    std::vector<double> want(cotangent.size());
    for (std::size_t channel = 0; channel < constants.size(); ++channel) {
      Real mean = 0;
      for (std::size_t i = channel; i < want.size(); i += constants.size()) {
        mean += cotangent[i] / static_cast<Real>(kRows);
      }
      for (std::size_t i = channel; i < want.size(); i += constants.size()) {
        want[i] = static_cast<double>(1.3L / std::sqrt(1e-5L) * (cotangent[i] - mean));
      }
    }
    EXPECT_LE(relative_error(got.gx, want), dtype == DType::kFloat32 ? 5e-7 : 1e-14);
  });
}

/// A mean of a million and deviations of some hundredths up to some: float32 holds both, but not
/// their product with the scale.
TEST(BatchNorm, ALargeMeanLeavesTheDeviationsTheirDigits) {
  for_each_way([](Normalise normalise, Device device, DType dtype) {
    for (const double deviation : {0.25, 4.0}) {
      const Tensor x = (random_tensor({kRows, 1}, 5) * deviation + 1e6).to(dtype);
      const Tensor c = (random_tensor({kRows, 1}, 6) + 0.5).to(dtype);
      const Results got = evaluate(normalise, x.to(device), c.to(device), 1.5, 0.25);
      const Results want = exact(x.to_doubles(), c.to_doubles(), 1.5L, 0.25L);
      // Statistics are doubles: in float64 the mean is rounded by up to 4e-10 of the deviation.
      const double tolerance = dtype == DType::kFloat32 ? 2e-6 : 1e-9;
      EXPECT_LE(relative_error(got.y, want.y), tolerance);
      EXPECT_LE(relative_error(got.gx, want.gx), tolerance);
      EXPECT_NEAR(got.ggamma[0], want.ggamma[0], tolerance * static_cast<double>(kRows));
      EXPECT_NEAR(got.gbeta[0], want.gbeta[0], tolerance * static_cast<double>(kRows));
    }
  });
}

TEST(BatchNorm, EqualCotangentsPullNowhere) {
  for (const Device device : devices()) {
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      const Tensor x = random_tensor({64, 3}, 7, dtype).to(device);
      const Tensor c = Tensor::full({64, 3}, 0.5, dtype).to(device);
      for (const double value : evaluate(fused, x, c, 1.0, 0.0).gx) {
        EXPECT_LE(std::abs(value), dtype == DType::kFloat32 ? 1e-7 : 1e-16);
      }
    }
  }
}

/// The second derivative is that of the composed form; there too a large mean is taken off first.
TEST(BatchNorm, SecondDerivativesDoNotDependOnAShift) {
  for (const Device device : devices()) {
    const auto second = [&](double shift) {
      const Tensor x = (random_tensor({97, 3}, 8, DType::kFloat32).to(device) + shift).detach();
      const Tensor near = (x - shift).detach();  // what the shift left of it, exactly
      const auto product = [&](const Tensor& at) {
        Tensor leaf = at.detach();
        leaf.set_requires_grad();
        const Tensor gamma = Tensor::full({3}, 1.2, DType::kFloat32).to(device);
        const Tensor beta = Tensor::full({3}, 0.1, DType::kFloat32).to(device);
        const Tensor c = random_tensor({97, 3}, 9, DType::kFloat32).to(device);
        const Tensor v = random_tensor({97, 3}, 10, DType::kFloat32).to(device);
        const std::vector<Tensor> inputs = {leaf};
        const Tensor y = fused(leaf, gamma, beta);
        const Tensor first = grad(dot(square(y), c), inputs, {.create_graph = true})[0];
        return grad(dot(first, v), inputs)[0].to_doubles();
      };
      return relative_error(product(x), product(near));
    };
    EXPECT_LE(second(4096.0), 2e-5) << name(device);
    EXPECT_LE(second(262144.0), 2e-5) << name(device);
  }
}

}  // namespace
}  // namespace switchyard::test

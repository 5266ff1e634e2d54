#include "models/sparse_gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

/// A row of equal logits becomes zeros, and its derivative is that of (x - mean) / 1e-5: a mean
/// that is off by a rounding error would leave a deviation of the size of the epsilon.
TEST(StandardiseRows, EqualLogitsBecomeZerosWithTheWholeGradient) {
  for (const Device device : {Device::kCpu, Device::kSimt}) {
    if (!unavailable_reason(device).empty()) continue;
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      for (const double logit : {100.0, 0.1, 100.1, -3e5, 0.0}) {
        for (std::int64_t experts = 2; experts <= 16; ++experts) {
          SCOPED_TRACE(
              fmt::format("{} {}: {} logits of {}", name(device), name(dtype), experts, logit));
          Tensor x = Tensor::full({3, experts}, logit, dtype).to(device);
          x.set_requires_grad();
          const Tensor u = test::random_tensor({3, experts}, 5, dtype).to(device);
          const Tensor y = standardise_rows(x);
          for (const double value : y.to_doubles()) EXPECT_EQ(value, 0.0);
          const Tensor gradient = grad(dot(y, u), std::vector<Tensor>{x})[0];
          const Tensor exact = u.to(DType::kFloat64);
          test::expect_close(gradient, ((exact - mean(exact, {1}, true)) / 1e-5).to_doubles(),
                             dtype == DType::kFloat32 ? 1e-6 : 2e-7);  // of 1e-12 beside 1e-5
        }
      }
    }
  }
}

TEST(StandardiseRows, HasMeanZeroAndUnbiasedDeviationOne) {
  const Tensor x = test::random_tensor({4, 7}, 6) * 3.0 + 50.0;
  const std::vector<double> y = standardise_rows(x).to_doubles();
  for (std::size_t row = 0; row < 4; ++row) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::size_t e = 0; e < 7; ++e) {
      sum += y[row * 7 + e];
      squares += y[row * 7 + e] * y[row * 7 + e];
    }
    EXPECT_NEAR(sum, 0.0, 1e-13);
    EXPECT_NEAR(squares / 6.0, 1.0, 1e-4);  // 1e-5 is added to the deviation
  }
}

}  // namespace
}  // namespace switchyard

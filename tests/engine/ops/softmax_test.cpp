#include "engine/ops/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "tests/support/devices.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

const std::vector<DType> kFloating = {DType::kFloat32, DType::kFloat64};

double precise(DType dtype) { return dtype == DType::kFloat32 ? 1e-6 : 1e-14; }

/// log softmax of each row of [rows, columns], in long double.
std::vector<double> log_softmax_reference(const Tensor& x) {
  const auto columns = static_cast<std::size_t>(x.size(-1));
  std::vector<double> values = x.to_doubles();
  for (std::size_t row = 0; row < values.size(); row += columns) {
    const long double first = values[row];
    long double sum = 0.0L;
    for (std::size_t j = row; j < row + columns; ++j) sum += std::exp(values[j] - first);
    for (std::size_t j = row; j < row + columns; ++j) {
      values[j] = static_cast<double>(values[j] - first - std::log(sum));
    }
  }
  return values;
}

Tensor labels_for(std::int64_t rows, std::int64_t classes) {
  Tensor labels = Tensor::empty({rows}, DType::kInt64);
  for (std::int64_t i = 0; i < rows; ++i) labels.data<std::int64_t>()[i] = (i * 7 + 3) % classes;
  return labels;
}

TEST(Softmax, AgreesWithTheDefinition) {
  for (DType dtype : kFloating) {
    for (const Shape& shape :
         {Shape{1}, {1, 1}, {31, 33}, {127, 8}, {2, 3, 10}, {0, 4}, {700, 31}}) {
      SCOPED_TRACE(fmt::format("{} {}", shape, name(dtype)));
      const Tensor x = random_tensor(shape, 1, dtype);
      std::vector<double> expected = log_softmax_reference(x);
      poison_free_memory();
      expect_close(log_softmax(x), expected, precise(dtype));
      for (double& value : expected) value = std::exp(value);
      expect_close(softmax(x), expected, precise(dtype));
    }
  }
}

TEST(Softmax, TakesLogitsOfAnySize) {
  const Tensor x = Tensor::from<float>({2, 3}, {1e30F, 0.0F, -1e30F, -3e38F, -3e38F, -3e38F});
  const double third = 1.0F / 3.0F;
  EXPECT_EQ(softmax(x).to_doubles(), (std::vector<double>{1.0, 0.0, 0.0, third, third, third}));
  for (double value : log_softmax(x).to_doubles()) EXPECT_TRUE(std::isfinite(value));
}

TEST(Softmax, IgnoresMinusInfinity) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor x = Tensor::from<double>({1, 3}, {0.0, -infinity, 0.0});
  EXPECT_EQ(softmax(x).to_doubles(), (std::vector<double>{0.5, 0.0, 0.5}));
  EXPECT_EQ(log_softmax(x).to_doubles()[1], -infinity);
}

TEST(Softmax, PassesNanOnWithinItsRow) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (DType dtype : kFloating) {
    const Tensor x = Tensor::from<double>({5, 3}, {nan, 1, 2, 1, 2, nan, infinity, 1, 2, -infinity,
                                                   -infinity, -infinity, 1, 2, 3})
                         .to(dtype);
    for (const Tensor& y : {softmax(x), log_softmax(x)}) {
      const std::vector<double> values = y.to_doubles();
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(std::isnan(values[i]), i < 12) << i;
      }
    }
    EXPECT_TRUE(std::isnan(cross_entropy(x, labels_for(5, 3)).item()));
  }
}

TEST(CrossEntropy, AgreesWithTheDefinition) {
  for (DType dtype : kFloating) {
    for (const auto& [rows, classes] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {1, 10}, {31, 33}, {127, 10}}) {
      SCOPED_TRACE(fmt::format("{} {} {}", rows, classes, name(dtype)));
      const Tensor logits = random_tensor({rows, classes}, 1, dtype);
      const Tensor labels = labels_for(rows, classes);
      const std::vector<double> log_p = log_softmax_reference(logits);
      double expected = 0.0;
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t at = i * classes + labels.data<std::int64_t>()[i];
        expected -= log_p[static_cast<std::size_t>(at)] / static_cast<double>(rows);
      }
      EXPECT_NEAR(cross_entropy(logits, labels).item(), expected, precise(dtype) * 2.0);
    }
  }
}

TEST(CrossEntropy, KeepsTheDigitsOfASmallLossInFloat32) {
  Tensor logits = Tensor::from<float>({1, 2}, {20.0F, 0.0F});
  logits.set_requires_grad();
  const Tensor loss = cross_entropy(logits, Tensor::zeros({1}, DType::kInt64));
  EXPECT_NEAR(loss.item() / std::exp(-20.0), 1.0, 1e-6);
  const std::vector<double> gradient = grad(loss, std::vector<Tensor>{logits})[0].to_doubles();
  EXPECT_NEAR(gradient[1] / std::exp(-20.0), 1.0, 1e-6);
}

/// log(1 + e^-margin) and its gradient, however sure the row: 1 + e^-margin is 1 from 17 on in
/// float32 and from 37 on in float64.
TEST(CrossEntropy, KeepsTheDigitsOfSureRows) {
  for (const Device device : {Device::kCpu, Device::kSimt}) {
    if (!unavailable_reason(device).empty()) continue;
    for (const DType dtype : kFloating) {
      for (const double margin : {10.0, 17.5, 30.0, 40.0, 80.0}) {
        for (const std::int64_t columns : {2, 3, 40}) {
          SCOPED_TRACE(fmt::format("{} {} {} {}", name(device), name(dtype), margin, columns));
          const auto wide = static_cast<std::size_t>(columns);
          std::vector<double> values(wide, -margin);
          values[wide - 1] = 0.0;
          Tensor logits = Tensor::from({1, columns}, values).to(dtype).to(device);
          logits.set_requires_grad();
          const Tensor labels =
              Tensor::full({1}, static_cast<double>(columns - 1), DType::kInt64).to(device);
          const double small = std::exp(-margin);
          const double others = static_cast<double>(columns - 1) * small;
          const double digits = precise(dtype) * 2.0;
          const Tensor loss = cross_entropy(logits, labels);
          EXPECT_NEAR(loss.item() / std::log1p(others), 1.0, digits);
          const std::vector<double> g = grad(loss, std::vector<Tensor>{logits})[0].to_doubles();
          EXPECT_NEAR(g[0] / (small / (1.0 + others)), 1.0, digits);
          EXPECT_NEAR(g[wide - 1] / (-others / (1.0 + others)), 1.0, digits);
          const std::vector<double> log_p = log_softmax(logits.detach()).to_doubles();
          EXPECT_NEAR(log_p[wide - 1] / -std::log1p(others), 1.0, digits);
        }
      }
    }
  }
}

/// p₀ (1 - p₀) and its like, without the difference from 1.
TEST(Softmax, GradientKeepsTheDigitsOfSureRows) {
  for (const Device device : {Device::kCpu, Device::kSimt}) {
    if (!unavailable_reason(device).empty()) continue;
    for (const DType dtype : kFloating) {
      for (const double margin : {1.0, 10.0, 17.5, 30.0, 40.0, 80.0}) {
        for (const std::int64_t columns : {2, 3, 40}) {  // the last of them small
          SCOPED_TRACE(fmt::format("{} {} {} {}", name(device), name(dtype), margin, columns));
          const auto wide = static_cast<std::size_t>(columns);
          std::vector<double> values(wide, -margin);
          std::vector<double> cotangents(wide, -0.5);
          values[0] = 0.0;
          cotangents[0] = 1.0;
          const auto tensor = [&](const std::vector<double>& numbers) {
            return Tensor::from({1, columns}, numbers).to(dtype).to(device);
          };
          const Tensor y = softmax(tensor(values));
          const std::vector<double> gx = softmax_backward(tensor(cotangents), y).to_doubles();
          const double e = std::exp(-margin);
          const double total = 1.0 + static_cast<double>(columns - 1) * e;
          const double small = e / total * (1.5 / total);
          EXPECT_NEAR(gx[wide - 1] / -small, 1.0, precise(dtype) * 2.0);
          EXPECT_NEAR(gx[0] / (static_cast<double>(columns - 1) * small), 1.0,
                      precise(dtype) * 2.0);
        }
      }
    }
  }
}

TEST(CrossEntropy, GradientOfEachRowSumsToZero) {
  Tensor logits = random_tensor({33, 10}, 1);
  logits.set_requires_grad();
  const Tensor loss = cross_entropy(logits, labels_for(33, 10));
  const std::vector<double> gradient = grad(loss, std::vector<Tensor>{logits})[0].to_doubles();
  for (std::size_t row = 0; row < 33; ++row) {
    double total = 0.0;
    for (std::size_t j = 0; j < 10; ++j) total += gradient[row * 10 + j];
    EXPECT_NEAR(total, 0.0, 1e-16);
  }
}

TEST(SoftmaxFamily, NamesTheOperationInErrors) {
  const Tensor logits = random_tensor({3, 4}, 1);
  const auto labels = [](std::vector<std::int64_t> values) {
    return Tensor::from({static_cast<std::int64_t>(values.size())}, values);
  };
  expect_error([&] { softmax(Tensor::scalar(1.0, DType::kFloat64)); },
               "[softmax] needs a last axis with elements, got shape []");
  expect_error(
      [&] {
        log_softmax(random_tensor({3, 0}, 1));
      },
      "[log_softmax] needs a last axis with elements, got shape [3, 0]");
  expect_error(
      [&] {
        cross_entropy(logits, labels({0, 4, 1}));
      },
      "[cross_entropy] label 4 of row 1 is outside [0, 4)");
  expect_error(
      [&] {
        cross_entropy(logits, labels({0, 1, -1}));
      },
      "[cross_entropy] label -1 of row 2 is outside [0, 4)");
  expect_error(
      [&] {
        cross_entropy(logits, labels({0, 1}));
      },
      "[cross_entropy] needs labels [3] int64, got [2] int64");
  expect_error([&] { cross_entropy(logits, Tensor::zeros({3}, DType::kInt32)); }, "got [3] int32");
  expect_error(
      [&] {
        cross_entropy(random_tensor({0, 4}, 1), labels({}));
      },
      "[cross_entropy] needs logits [N, C] with N > 0, got [0, 4]");
  expect_error(
      [&] {
        softmax_backward(logits, random_tensor({4, 3}, 1));
      },
      "[softmax_backward] shapes differ: gy [3, 4], y [4, 3]");
  expect_error([&] { log_softmax_backward(logits, logits.to(DType::kFloat32)); },
               "[log_softmax_backward] dtypes differ: float64 and float32");
  expect_error(
      [&] {
        cross_entropy_backward(logits, logits, labels({0, 1, 2}));
      },
      "[cross_entropy_backward] needs a scalar g, got shape [3, 4]");
}

}  // namespace
}  // namespace switchyard::test

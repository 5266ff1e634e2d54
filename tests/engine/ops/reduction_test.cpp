#include "engine/ops/reduction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "tests/engine/ops/broadcast_index.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

const std::vector<DType> kFloating = {DType::kFloat32, DType::kFloat64};

double precise(DType dtype) { return dtype == DType::kFloat32 ? 2e-7 : 1e-14; }

std::vector<double> sum_reference(const Tensor& x, const Shape& shape) {
  std::vector<long double> sums(static_cast<std::size_t>(shape.numel()), 0.0L);
  const std::vector<double> values = x.to_doubles();
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums[broadcast_index(shape, x.shape(), i)] += values[i];
  }
  return {sums.begin(), sums.end()};
}

TEST(SumTo, AgreesWithPlainLoops) {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{1}, {}},
      {{31}, {1}},
      {{127}, {}},
      {{0}, {}},
      {{33, 127}, {127}},    // rows: a bias gradient
      {{33, 127}, {33, 1}},  // columns
      {{0, 5}, {5}},         // sums over nothing are 0
      {{5, 0}, {1, 0}},
      {{2, 3, 4, 5, 6}, {3, 1, 5, 1}},  // several runs of axes
      {{2, 3, 4, 5, 6}, {2, 1, 1, 1, 6}},
      {{3, 1, 5}, {1, 1, 5}},
      {{1000, 1}, {1}},
      {{3001, 3}, {3}},  // narrow rows, folded
      {{70001}, {}},     // several stretches
      {{2000, 70}, {70}},
      {{7, 1300}, {1300}},  // several column tiles
      {{40, 33, 64}, {40, 1, 64}},
      {{5000, 17}, {5000, 1}},  // many short rows
  };
  for (const auto& [from, to] : shapes) {
    for (DType dtype : kFloating) {
      SCOPED_TRACE(fmt::format("{} -> {} {}", from, to, name(dtype)));
      const Tensor x = random_tensor(from, 5, dtype);
      poison_free_memory();
      const Tensor y = sum_to(x, to);
      EXPECT_EQ(y.shape(), to);
      EXPECT_EQ(y.dtype(), dtype);
      expect_close(y, sum_reference(x, to), 5 * precise(dtype));
    }
  }
}

TEST(SumTo, OfTheSameShapeIsTheTensorItself) {
  const Tensor x = random_tensor({2, 3}, 1);
  EXPECT_TRUE(shares_memory(sum_to(x, {2, 3}), x));
  EXPECT_TRUE(shares_memory(broadcast_to(x, {2, 3}), x));
}

TEST(Sum, ManyEqualTermsDoNotDriftInFloat32) {
  // A running float32 sum of 2^24 ones and more stops growing; this one must not.
  const Tensor ones = Tensor::full({20'000'001}, 1.0, DType::kFloat32);
  EXPECT_EQ(sum(ones).item(), 20'000'000.0);  // the nearest float32
  const Tensor tenths = Tensor::full({1'000'000}, 0.1, DType::kFloat32);
  EXPECT_NEAR(sum(tenths).item(), 100'000.0, 0.05);
  EXPECT_NEAR(mean(tenths).item(), 0.1, 1e-7);
}

TEST(BroadcastTo, RepeatsEveryWay) {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{}, {3, 4}},        {{4}, {3, 4}}, {{3, 1}, {3, 4}}, {{2, 1, 3, 1}, {2, 5, 3, 4}},
      {{1, 6}, {2, 0, 6}}, {{1}, {127}},
  };
  for (const auto& [from, to] : shapes) {
    for (DType dtype : kFloating) {
      SCOPED_TRACE(fmt::format("{} -> {} {}", from, to, name(dtype)));
      const Tensor x = random_tensor(from, 5, dtype);
      poison_free_memory();
      const Tensor y = broadcast_to(x, to);
      ASSERT_EQ(y.shape(), to);
      const std::vector<double> values = y.to_doubles();
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], x.to_doubles()[broadcast_index(from, to, i)]);
      }
    }
  }
}

TEST(SumAndMean, TakeAxesFromEitherEnd) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  EXPECT_EQ(sum(x, {1}).shape(), (Shape{2, 4}));
  EXPECT_EQ(sum(x, {-1, 0}).shape(), (Shape{3}));
  EXPECT_EQ(sum(x, {-1, 0}, true).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(sum(x, {}).shape(), (Shape{2, 3, 4}));
  expect_close(sum(x, {-1, 0}), sum_reference(x, {1, 3, 1}), 1e-14);
  expect_close(mean(x, {0, 2}) * 8.0, sum_reference(x, {1, 3, 1}), 1e-14);
  expect_close(mean(x) * 24.0, sum_reference(x, {}), 1e-14);
}

TEST(Variance, AgreesWithTheDefinition) {
  for (DType dtype : kFloating) {
    for (std::int64_t n : {2, 31, 127}) {
      const Tensor x = random_tensor({n, 3}, 1, dtype);
      const std::vector<double> values = x.to_doubles();
      std::vector<double> biased(3, 0.0);
      for (std::size_t c = 0; c < 3; ++c) {
        double average = 0.0;
        for (std::size_t i = c; i < values.size(); i += 3)
          average += values[i] / static_cast<double>(n);
        for (std::size_t i = c; i < values.size(); i += 3) {
          biased[c] += (values[i] - average) * (values[i] - average) / static_cast<double>(n);
        }
      }
      expect_close(variance(x, {0}, false), biased, tolerance(dtype));
      const double ratio = static_cast<double>(n) / static_cast<double>(n - 1);
      expect_close(variance(x, {0}, true) / ratio, biased, tolerance(dtype));
    }
  }
}

TEST(Dot, AgreesWithAPlainLoop) {
  for (DType dtype : kFloating) {
    for (std::int64_t n : {0, 1, 31, 33, 127, 200'001}) {
      const Tensor a = random_tensor({n}, 1, dtype);
      const Tensor b = a + 0.1 * random_tensor({n}, 2, dtype);  // no cancellation
      const std::vector<double> x = a.to_doubles();
      const std::vector<double> y = b.to_doubles();
      long double expected = 0.0L;
      for (std::size_t i = 0; i < x.size(); ++i) expected += static_cast<long double>(x[i]) * y[i];
      expect_close(dot(a, b), std::vector<double>{static_cast<double>(expected)}, precise(dtype));
    }
  }
}

TEST(Reductions, PassNanOn) {
  Tensor x = random_tensor({5, 7}, 1, DType::kFloat32);
  x.data<float>()[9] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sum(x).item()));
  EXPECT_TRUE(std::isnan(dot(x, x).item()));
  const std::vector<double> columns = sum(x, {0}).to_doubles();
  for (std::size_t c = 0; c < columns.size(); ++c) EXPECT_EQ(std::isnan(columns[c]), c == 2);
}

TEST(Reductions, NameTheOperationInErrors) {
  const Tensor x = random_tensor({2, 3}, 1);
  const Tensor empty = random_tensor({0, 3}, 1);
  expect_error([&] { sum_to(x, {2}); }, "[sum_to] shapes [2, 3] and [2] do not broadcast");
  expect_error(
      [&] {
        sum_to(x, {4, 2, 3});
      },
      "[sum_to] shape [4, 2, 3] does not broadcast to [2, 3]");
  expect_error([&] { broadcast_to(x, {3}); },
               "[broadcast_to] shape [2, 3] does not broadcast to [3]");
  expect_error([&] { sum(x, {2}); }, "[sum] axis 2 is out of range for shape [2, 3]");
  expect_error([&] { sum(x, {1, -1}); }, "[sum] axis -1 of shape [2, 3] is given twice");
  expect_error([&] { mean(empty); }, "[mean] shape [0, 3] has no elements");
  expect_error([&] { mean(empty, {0}); }, "[mean] shape [0, 3] has no elements");
  expect_error(
      [&] {
        variance(random_tensor({1, 3}, 1), {0}, true);
      },
      "[variance] 1 values are too few for an unbiased variance of shape [1, 3]");
  expect_error([&] { dot(x, sum(x, {0})); }, "[dot] shapes differ: [2, 3] and [3]");
  expect_error([&] { dot(x, x.to(DType::kFloat32)); }, "[dot] dtypes differ");
  expect_error([&] { sum(Tensor()); }, "[sum_to] an input is undefined");
}

}  // namespace
}  // namespace switchyard::test

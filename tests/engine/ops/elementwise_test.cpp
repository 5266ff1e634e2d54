#include "engine/ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/autograd/grad.h"
#include "engine/ops/reduction.h"
#include "tests/engine/ops/broadcast_index.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Unary {
  const char* name;
  Tensor (*op)(const Tensor&);
  double (*reference)(double);
  bool positive_domain = false;
};

const std::vector<Unary> kUnary = {
    {"neg", neg, [](double x) { return -x; }},
    {"exp", exp, [](double x) { return std::exp(x); }},
    {"log", log, [](double x) { return std::log(x); }, true},
    {"sqrt", sqrt, [](double x) { return std::sqrt(x); }, true},
    {"square", square, [](double x) { return x * x; }},
    {"reciprocal", reciprocal, [](double x) { return 1.0 / x; }},
    {"tanh", tanh, [](double x) { return std::tanh(x); }},
    {"erf", erf, [](double x) { return std::erf(x); }},
    {"sigmoid", sigmoid, [](double x) { return 1.0 / (1.0 + std::exp(-x)); }},
    {"softplus", softplus, [](double x) { return std::log1p(std::exp(x)); }},
    {"relu", relu, [](double x) { return x > 0.0 ? x : 0.0; }},
    {"gelu", gelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }},
    {"silu", silu, [](double x) { return x / (1.0 + std::exp(-x)); }},
};

struct Binary {
  const char* name;
  Tensor (*op)(const Tensor&, const Tensor&);
  double (*reference)(double, double);
};

const std::vector<Binary> kBinary = {
    {"add", add, [](double a, double b) { return a + b; }},
    {"sub", sub, [](double a, double b) { return a - b; }},
    {"mul", mul, [](double a, double b) { return a * b; }},
    {"div", div, [](double a, double b) { return a / b; }},
};

Tensor make(std::vector<double> values, DType dtype = DType::kFloat64) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  return Tensor::from(shape, values).to(dtype);
}

double precise(DType dtype) { return dtype == DType::kFloat32 ? 1e-6 : 1e-14; }

TEST(Unary, AgreesWithTheStandardLibrary) {
  for (const Unary& unary : kUnary) {
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      for (std::int64_t size : {0, 1, 31, 33, 127, 40001}) {
        SCOPED_TRACE(fmt::format("{} {} {}", unary.name, name(dtype), size));
        Tensor x = random_tensor({size}, 3, dtype);
        if (unary.positive_domain) x = square(x) + 0.1;
        std::vector<double> expected;
        for (double value : x.to_doubles()) expected.push_back(unary.reference(value));
        poison_free_memory();
        const Tensor y = unary.op(x);
        EXPECT_EQ(y.dtype(), dtype);
        EXPECT_EQ(y.shape(), x.shape());
        expect_close(y, expected, precise(dtype));
      }
    }
  }
}

TEST(Unary, NanStaysNan) {
  for (const Unary& unary : kUnary) {
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      // NaN in the vector part of the loop and in its remainder.
      Tensor x = Tensor::full({13}, 0.5, dtype);
      const Tensor nan = Tensor::full({13}, kNan, dtype);
      EXPECT_TRUE(std::isnan(unary.op(nan).to_doubles()[2])) << unary.name;
      EXPECT_TRUE(std::isnan(unary.op(nan).to_doubles()[12])) << unary.name;
      EXPECT_FALSE(std::isnan(unary.op(x).to_doubles()[12])) << unary.name;
    }
  }
}

TEST(Unary, LimitsAreExact) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const auto at = [&](Tensor (*op)(const Tensor&), double x) {
      const std::vector<double> y = op(Tensor::full({9}, x, dtype)).to_doubles();
      // This covers the vector and the scalar part of the loop.
      EXPECT_TRUE(y[0] == y[8] || (std::isnan(y[0]) && std::isnan(y[8])));
      return y[0];
    };
    EXPECT_EQ(at(exp, kInfinity), kInfinity);
    EXPECT_EQ(at(exp, -kInfinity), 0.0);
    EXPECT_EQ(at(log, 0.0), -kInfinity);
    EXPECT_TRUE(std::isnan(at(log, -1.0)));
    EXPECT_TRUE(std::isnan(at(sqrt, -1.0)));
    EXPECT_EQ(at(tanh, kInfinity), 1.0);
    EXPECT_EQ(at(erf, -kInfinity), -1.0);
    EXPECT_EQ(at(sigmoid, -kInfinity), 0.0);
    EXPECT_EQ(at(sigmoid, kInfinity), 1.0);
    EXPECT_EQ(at(softplus, 2000.0), 2000.0);  // no overflow
    EXPECT_EQ(at(softplus, -kInfinity), 0.0);
    EXPECT_EQ(at(relu, -0.0), 0.0);
    EXPECT_EQ(at(relu, kInfinity), kInfinity);
    EXPECT_EQ(at(gelu, kInfinity), kInfinity);
  }
}

TEST(Unary, SmallResultsKeepTheirDigits) {
  const Tensor x = make({-30.0, -35.0, -20.0, -25.0, -36.0});
  std::vector<double> log_of_one_plus;
  std::vector<double> tail;
  for (double value : x.to_doubles()) {
    log_of_one_plus.push_back(std::log1p(std::exp(value)));
    tail.push_back(0.5 * value * std::erfc(-value / std::sqrt(2.0)));
  }
  expect_close(softplus(x), log_of_one_plus, 1e-14);
  expect_close(gelu(x), tail, 1e-12);
}

TEST(Relu, HasNoGradientAtATie) {
  Tensor x = make({-1.0, 0.0, -0.0, 2.0});
  x.set_requires_grad();
  const Tensor gradient = grad(sum(relu(x)), std::vector<Tensor>{x})[0];
  EXPECT_EQ(gradient.to_doubles(), (std::vector<double>{0.0, 0.0, 0.0, 1.0}));
}

std::vector<double> broadcast_reference(const Tensor& a, const Tensor& b, const Shape& result,
                                        double (*f)(double, double)) {
  const std::vector<double> a_values = a.to_doubles();
  const std::vector<double> b_values = b.to_doubles();
  std::vector<double> values(static_cast<std::size_t>(result.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = f(a_values[broadcast_index(a.shape(), result, i)],
                  b_values[broadcast_index(b.shape(), result, i)]);
  }
  return values;
}

TEST(Binary, BroadcastsEveryWay) {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{33}, {33}},
      {{5, 7}, {}},
      {{}, {5, 7}},
      {{5, 7}, {7}},
      {{7}, {5, 7}},
      {{5, 1}, {5, 7}},
      {{5, 7}, {5, 1}},
      {{5, 1}, {1, 7}},
      {{1, 1, 3}, {2, 1}},
      {{2, 3, 1, 4}, {3, 5, 1}},
      {{4, 1, 6}, {1, 5, 6}},
      {{2, 1, 3, 1, 2, 1}, {4, 1, 5, 1, 6}},
      {{0}, {1}},
      {{3, 0}, {3, 1}},
      {{1}, {1, 1}},
      {{}, {}},
      {{31, 1, 33}, {33}},
      {{3, 1, 1}, {3, 2, 2}},
  };
  for (const auto& [a_shape, b_shape] : shapes) {
    for (const Binary& binary : kBinary) {
      for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
        SCOPED_TRACE(fmt::format("{} {} {} {}", binary.name, a_shape, b_shape, name(dtype)));
        const Tensor a = random_tensor(a_shape, 1, dtype);
        const Tensor b = random_tensor(b_shape, 2, dtype);
        const Shape result = broadcast_shapes(a_shape, b_shape, "test");
        poison_free_memory();
        const Tensor y = binary.op(a, b);
        EXPECT_EQ(y.shape(), result);
        expect_close(y, broadcast_reference(a, b, result, binary.reference), precise(dtype));
      }
    }
  }
}

TEST(Binary, BroadcastsAcrossTaskBoundaries) {
  // Larger than one task, so that rows are cut in the middle.
  const Tensor a = random_tensor({3, 20000}, 1);
  for (const Tensor& b : {random_tensor({20000}, 2), random_tensor({3, 1}, 3)}) {
    expect_close(a + b, broadcast_reference(a, b, a.shape(), kBinary[0].reference), 0.0);
    expect_close(b + a, broadcast_reference(b, a, a.shape(), kBinary[0].reference), 0.0);
  }
}

TEST(Binary, OperatorsMeanWhatTheySay) {
  const Tensor a = make({3.0});
  const Tensor b = make({2.0});
  EXPECT_EQ((a + b).item(), 5.0);
  EXPECT_EQ((a - b).item(), 1.0);
  EXPECT_EQ((a * b).item(), 6.0);
  EXPECT_EQ((a / b).item(), 1.5);
  EXPECT_EQ((-a).item(), -3.0);
  EXPECT_EQ((a * 2.0).item(), 6.0);
  EXPECT_EQ((2.0 * a).item(), 6.0);
  EXPECT_EQ((a / 2.0).item(), 1.5);
  EXPECT_EQ((a + 2.0).item(), 5.0);
  EXPECT_EQ((a - 2.0).item(), 1.0);
  EXPECT_EQ(affine(a, 2.0, -1.0).item(), 5.0);
}

TEST(ReluGrad, PassesWhereTheResultIsPositive) {
  const Tensor gy = make({1.0, 2.0, 3.0, 4.0});
  const Tensor y = make({0.0, 5.0, -1.0, kNan});
  EXPECT_EQ(relu_grad(gy, y).to_doubles(), (std::vector<double>{0.0, 2.0, 0.0, 0.0}));
}

TEST(ReluGrad, CarriesNoGradientToItsMask) {
  Tensor gy = make({1.0, 2.0});
  Tensor y = make({1.0, -1.0});
  gy.set_requires_grad();
  y.set_requires_grad();
  const Tensor result = relu_grad(gy, y);
  const std::vector<Tensor> gradients =
      grad(std::vector<Tensor>{result}, std::vector<Tensor>{gy, y}, std::vector<Tensor>{gy});
  EXPECT_EQ(gradients[0].to_doubles(), (std::vector<double>{1.0, 0.0}));
  EXPECT_EQ(gradients[1].to_doubles(), (std::vector<double>{0.0, 0.0}));
}

TEST(Errors, NameTheOperationAndTheShapes) {
  const Tensor a = random_tensor({2, 3}, 1);
  const Tensor b = random_tensor({2, 4}, 1);
  const Tensor single = random_tensor({2, 3}, 1, DType::kFloat32);
  const Tensor labels = Tensor::zeros({2, 3}, DType::kInt64);
  for (const Binary& binary : kBinary) {
    const std::string op = fmt::format("[{}] ", binary.name);
    expect_error([&] { binary.op(a, b); }, op + "shapes [2, 3] and [2, 4] do not broadcast");
    expect_error([&] { binary.op(a, single); }, op + "dtypes differ: float64 and float32");
    expect_error([&] { binary.op(a, Tensor()); }, op + "an input is undefined");
    expect_error([&] { binary.op(labels, labels); }, op + "needs float32 or float64, got int64");
  }
  for (const Unary& unary : kUnary) {
    expect_error([&] { unary.op(Tensor()); }, "] an input is undefined");
    expect_error([&] { unary.op(labels); }, "] needs float32 or float64, got int64");
  }
  expect_error([&] { relu_grad(a, b); }, "[relu_grad] shapes differ: gy [2, 3], y [2, 4]");
}

}  // namespace
}  // namespace switchyard::test

#include "engine/autograd/hvp.h"

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Tensors = std::vector<Tensor>;
using Matrix = std::vector<std::vector<double>>;

constexpr std::size_t kSize = 5;

/// f(a, b) = (a·b)² / 2 + Σ exp(a)
struct Example {
  Tensor a = random_tensor({kSize}, 1).set_requires_grad();
  Tensor b = random_tensor({kSize}, 2).set_requires_grad();
  Tensor loss = 0.5 * square(dot(a, b)) + sum(exp(a));

  /// Its Hessian by hand, (a, b) x (a, b).
  Matrix dense() const {
    const std::vector<double> x = a.to_doubles();
    const std::vector<double> y = b.to_doubles();
    const double product = dot(a.detach(), b.detach()).item();
    Matrix h(2 * kSize, std::vector<double>(2 * kSize));
    for (std::size_t i = 0; i < kSize; ++i) {
      for (std::size_t j = 0; j < kSize; ++j) {
        const double same = i == j ? 1.0 : 0.0;
        h[i][j] = y[i] * y[j] + same * std::exp(x[i]);
        h[i][kSize + j] = h[kSize + j][i] = y[i] * x[j] + same * product;
        h[kSize + i][kSize + j] = x[i] * x[j];
      }
    }
    return h;
  }
};

std::vector<double> joined(const Tensors& parts) {
  std::vector<double> all;
  for (const Tensor& part : parts) {
    for (double value : part.to_doubles()) all.push_back(value);
  }
  return all;
}

TEST(HessianOperator, IsTheDenseHessian) {
  const Example f;
  const HessianOperator hessian(f.loss, {f.a, f.b});
  const Matrix dense = f.dense();
  for (std::size_t column = 0; column < 2 * kSize; ++column) {
    Tensors v = {Tensor::zeros({kSize}, DType::kFloat64), Tensor::zeros({kSize}, DType::kFloat64)};
    v[column / kSize].data<double>()[column % kSize] = 1.0;
    std::vector<double> expected;
    for (const std::vector<double>& row : dense) expected.push_back(row[column]);
    EXPECT_LE(relative_error(joined(hessian.apply(v)), expected), 1e-14) << column;
  }
}

TEST(HessianOperator, GivesTheGradientToo) {
  const Example f;
  const HessianOperator hessian(f.loss, {f.a, f.b});
  const Tensors gradient = hessian.gradient();
  for (const Tensor& part : gradient) EXPECT_FALSE(part.requires_grad());
  const Tensor product = dot(f.a.detach(), f.b.detach());
  expect_close(gradient[0], product * f.b.detach() + exp(f.a.detach()), 1e-14);
  expect_close(gradient[1], product * f.a.detach(), 1e-14);
}

TEST(HessianOperator, HandsOutMemoryOfItsOwn) {
  // The gradient of Σ x²/2 + c·y is (x, c), its Hessian the identity and zero.
  Tensor x = random_tensor({kSize}, 1).set_requires_grad();
  Tensor y = random_tensor({kSize}, 2).set_requires_grad();
  const HessianOperator hessian(0.5 * dot(x, x) + sum(y), {x, y});
  const Tensors v = {random_tensor({kSize}, 3), random_tensor({kSize}, 4)};
  const Tensors kept = {v[0].clone(), v[1].clone()};
  const Tensors first = hessian.apply(v);
  for (Tensor part : hessian.gradient()) part.fill(0.0);
  for (Tensor part : hessian.apply(v)) part.fill(0.0);
  for (std::size_t i = 0; i < 2; ++i) {
    expect_same_bits(hessian.apply(v)[i], first[i]);
    expect_same_bits(v[i], kept[i]);
  }
  expect_same_bits(hessian.gradient()[0], x);
}

TEST(HessianOperator, RefusesParametersThatHaveChanged) {
  Example f;
  const HessianOperator hessian(f.loss, {f.a, f.b});
  f.a.fill(0.5);
  const Tensors v = {random_tensor({kSize}, 3), random_tensor({kSize}, 4)};
  expect_error([&] { hessian.apply(v); }, "was overwritten in place");
}

TEST(HessianOperator, MayBeOfSomeParametersOnly) {
  const Example f;
  const Tensors v = {random_tensor({kSize}, 3)};
  const Matrix dense = f.dense();
  std::vector<double> expected(kSize, 0.0);
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) {
      expected[i] += dense[kSize + i][kSize + j] * v[0].to_doubles()[j];
    }
  }
  expect_close(HessianOperator(f.loss, {f.b}).apply(v)[0], expected, 1e-14);
}

TEST(Hvp, IsTheOperatorAppliedOnce) {
  const Example f;
  const Tensors v = {random_tensor({kSize}, 3), random_tensor({kSize}, 4)};
  const Tensors kept = HessianOperator(f.loss, {f.a, f.b}).apply(v);
  const Example again;
  const Tensors fresh = hvp(again.loss, Tensors{again.a, again.b}, v);
  for (std::size_t i = 0; i < 2; ++i) expect_same_bits(kept[i], fresh[i]);
}

TEST(HessianOperator, OfALinearLossIsZero) {
  const Tensor a = random_tensor({3}, 1).set_requires_grad();
  const Tensor b = random_tensor({3}, 2).set_requires_grad();
  const Tensors v = {random_tensor({3}, 3), random_tensor({3}, 4)};
  for (const Tensor& loss : {sum(a + b), sum(a + square(b))}) {
    const Tensors product = HessianOperator(loss, {a, b}).apply(v);
    EXPECT_EQ(product[0].to_doubles(), std::vector<double>(3, 0.0));
  }
}

TEST(HessianOperator, SaysWhatIsWrong) {
  const Example f;
  const HessianOperator hessian(f.loss, {f.a, f.b});
  const Tensor v = random_tensor({kSize}, 3);
  expect_error([&] { hessian.apply(Tensors{v}); }, "[hvp] 1 vectors for 2 parameters");
  expect_error(
      [&] {
        hessian.apply(Tensors{v, random_tensor({4}, 1)});
      },
      "[hvp] vector 1 is float64 [4], its parameter float64 [5]");
  expect_error(
      [&] {
        hessian.apply(Tensors{v, v.to(DType::kFloat32)});
      },
      "[hvp] vector 1 is float32 [5], its parameter float64 [5]");
}

TEST(HessianOperator, NamesAnOperationWithoutASecondDerivative) {
  const Tensor x = random_tensor({3}, 1).set_requires_grad();
  const Tensor y = record(
      "once_only", square(x.detach()), {x}, Saved::all_inputs(), [](const Vjp& v) -> Tensors {
        const Tensor gx = 2.0 * v.input(0).detach() * v.cotangent().detach();
        return {record_without_derivative("once_only_backward", gx, {v.cotangent(), v.input(0)})};
      });
  const HessianOperator hessian(sum(y), {x});
  expect_error([&] { hessian.apply(Tensors{random_tensor({3}, 2)}); }, "[once_only_backward]");
}

}  // namespace
}  // namespace switchyard::test

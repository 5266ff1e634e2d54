// The checker must find rules that are wrong on purpose.

#include "engine/autograd/gradcheck.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/softmax.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Inputs = std::span<const Tensor>;
using Tensors = std::vector<Tensor>;

Tensor with_rule(const char* name, Tensor y, const Tensor& x, Rule rule) {
  return record(name, std::move(y), {x}, Saved::all_inputs().and_output(), std::move(rule));
}

/// x², whose gradient is off by `factor` and whose second derivative by `second`.
Tensor wrong_square(const Tensor& x, double factor, double second) {
  return with_rule("wrong_square", square(x.detach()), x, [=](const Vjp& v) -> Tensors {
    const Tensor right = 2.0 * v.cotangent() * v.input(0);
    const Tensor value = factor * right.detach();
    return {record(
        "wrong_square_backward", value, {v.cotangent(), v.input(0)}, Saved::all_inputs(),
        [=](const Vjp& w) -> Tensors {
          return {2.0 * w.cotangent() * w.input(1), 2.0 * second * w.cotangent() * w.input(0)};
        })};
  });
}

double error_of(const TensorFunction& f, const Tensors& inputs, int order) {
  return gradcheck(f, inputs, {.order = order}).error;
}

TEST(Gradcheck, AcceptsRightRules) {
  const TensorFunction f = [](Inputs in) { return exp(in[0]) * tanh(in[1]); };
  const Tensors inputs = {random_tensor({3, 4}, 1), random_tensor({4}, 2)};
  for (int order = 1; order <= 4; ++order) EXPECT_LE(error_of(f, inputs, order), 1e-9) << order;
  const Tensors large = {random_tensor({30, 40}, 1), random_tensor({40}, 2)};  // directions only
  for (int order = 1; order <= 2; ++order) EXPECT_LE(error_of(f, large, order), 1e-9) << order;
}

TEST(Gradcheck, FindsAWrongFirstDerivative) {
  const Tensors x = {random_tensor({5}, 1)};
  const auto f = [](double factor) {
    return [factor](Inputs in) { return wrong_square(in[0], factor, 1.0); };
  };
  EXPECT_LE(error_of(f(1.0), x, 1), 1e-9);
  EXPECT_NEAR(error_of(f(1.001), x, 1), 1e-3, 1e-6);
}

TEST(Gradcheck, FindsAWrongSecondDerivativeBehindARightFirst) {
  const Tensors x = {random_tensor({5}, 1)};
  const auto f = [](double second) {
    return [second](Inputs in) { return wrong_square(in[0], 1.0, second); };
  };
  EXPECT_LE(error_of(f(1.001), x, 1), 1e-9);
  EXPECT_LE(error_of(f(1.0), x, 2), 1e-9);
  EXPECT_NEAR(error_of(f(1.001), x, 2), 1e-3, 1e-6);
}

TEST(Gradcheck, FindsASecondDerivativeThatForgetsTheCotangent) {
  // Right for a constant cotangent, which is all that a check through sum() would see.
  const TensorFunction f = [](Inputs in) {
    return with_rule("forgetful", square(in[0].detach()), in[0], [](const Vjp& v) -> Tensors {
      return {2.0 * v.cotangent().detach() * v.input(0)};
    });
  };
  const GradcheckResult second = gradcheck(f, {random_tensor({5}, 1)}, {.order = 2});
  EXPECT_GT(second.error, 0.1);
  EXPECT_EQ(second.worst, "cotangent [5]");
}

TEST(Gradcheck, FindsWhatASumAsLossWouldHide) {
  // Σ softmax is constant: with a plain sum as the loss any multiple of the gradient passes.
  const TensorFunction f = [](Inputs in) {
    return with_rule("wrong_softmax", softmax(in[0].detach()), in[0], [](const Vjp& v) -> Tensors {
      return {3.0 * softmax_backward(v.cotangent(), v.output())};
    });
  };
  EXPECT_NEAR(error_of(f, {random_tensor({2, 5}, 1)}, 1), 2.0, 1e-6);
}

TEST(Gradcheck, FindsAGradientThatShouldBeZero) {
  const TensorFunction f = [](Inputs in) {
    return with_rule("constant", Tensor::full({3}, 1.0, DType::kFloat64), in[0],
                     [](const Vjp& v) -> Tensors { return {1e-3 * v.cotangent()}; });
  };
  EXPECT_GT(error_of(f, {random_tensor({3}, 1)}, 1), 1e-2);
}

TEST(Gradcheck, NamesTheWorstInput) {
  const TensorFunction f = [](Inputs in) { return in[0] * wrong_square(in[1], 1.1, 1.0); };
  const GradcheckResult result = gradcheck(f, {random_tensor({2, 3}, 1), random_tensor({3}, 2)});
  EXPECT_EQ(result.worst, "input 1 [3]");
  EXPECT_NEAR(result.error, 0.1, 1e-6);
}

TEST(Gradcheck, DoesNotAcceptNan) {
  const TensorFunction f = [](Inputs in) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return in[0] * with_rule("nan", square(in[1].detach()), in[1],
                             [=](const Vjp& v) -> Tensors { return {v.cotangent() * nan}; });
  };
  const GradcheckResult result = gradcheck(f, {random_tensor({2}, 1), random_tensor({2}, 2)});
  EXPECT_TRUE(std::isnan(result.error));
  EXPECT_EQ(result.worst, "input 1 [2]");
}

TEST(Gradcheck, SaysWhatIsWrong) {
  const TensorFunction f = [](Inputs in) { return exp(in[0]); };
  expect_error([&] { gradcheck(f, {random_tensor({3}, 1, DType::kFloat32)}); },
               "[gradcheck] input 0 must be float64, got float32");
  expect_error([&] { gradcheck(f, {random_tensor({3}, 1)}, {.order = 0}); },
               "[gradcheck] order 0 is below 1");
}

}  // namespace
}  // namespace switchyard::test

#include "engine/ops/elementwise.h"

#include <cmath>
#include <numbers>

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/precision.h"
#include "engine/ops/reduction.h"
#include "engine/ops/rule_of_several.h"
#include "kernels/api/elementwise.h"

namespace switchyard {
namespace {

template <class Functor>
Tensor map(std::string_view op, Functor functor, const Tensor& x) {
  check_same_kind(op, {&x});
  Tensor y = empty_like(x);
  run_with_bfloat16(op, x, [&]<class T>() {
    return kernels::MapUnary<Functor, T>{
        .op = functor, .x = x.data<T>(), .y = y.data<T>(), .count = x.numel()};
  });
  return y;
}

template <class Functor>
void map_into(std::string_view op, Functor functor, const Tensor& a, const Tensor& b, Tensor& y) {
  const auto plan =
      kernels::plan_broadcast(y.shape().sizes(), a.shape().sizes(), b.shape().sizes());
  run_with_bfloat16(op, y, [&]<class T>() {
    return kernels::MapBinary<Functor, T>{
        .op = functor, .a = a.data<T>(), .b = b.data<T>(), .y = y.data<T>(), .plan = plan};
  });
}

template <class Functor>
Tensor map(std::string_view op, Functor functor, const Tensor& a, const Tensor& b) {
  check_same_kind(op, {&a, &b});
  Tensor y = Tensor::empty(broadcast_shapes(a.shape(), b.shape(), op), a.dtype(), a.device());
  map_into(op, functor, a, b, y);
  return y;
}

/// The operation that maps every element of x.
template <class Functor>
Tensor unary(const Operation& op, Functor functor, const Tensor& x, Saved saved, Rule rule) {
  return record(op, map(op.name(), functor, x), {x}, saved, std::move(rule));
}

/// The same where the rule is several operations.
template <class Functor>
Tensor unary_of_several(const Operation& op, Functor functor, const Tensor& x, Saved saved,
                        RuleOfSeveral rule) {
  return unary(op, functor, x, saved, std::move(rule).of(x));
}

/// The operation that maps pairs of elements of a and b, broadcast.
template <class Functor>
Tensor binary(std::string_view op, Functor functor, const Tensor& a, const Tensor& b, Saved saved,
              Rule rule) {
  return record(op, map(op, functor, a, b), {a, b}, saved, std::move(rule));
}

/// The same where the rule is several operations, a sum over axes that were broadcast among them.
template <class Functor>
Tensor binary_of_several(std::string_view op, Functor functor, const Tensor& a, const Tensor& b,
                         Saved saved, RuleOfSeveral rule) {
  return binary(op, functor, a, b, saved, std::move(rule).of(a));
}

using Gradients = std::vector<Tensor>;

/// x as a factor of something that vanishes beyond ±2000 in float64 already: a product of an
/// infinite x with that zero would be NaN, and the limit is zero.
Tensor finite_factor(const Tensor& x) { return clamp(x, -2000.0, 2000.0); }

/// φ(x) = e^(-x²/2) / √(2π).
Tensor normal_density(const Tensor& x) {
  return std::numbers::inv_sqrtpi * std::sqrt(0.5) * gaussian(x, 0.5);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return binary("add", kernels::Add{}, a, b, Saved::nothing(), [](const Vjp& v) -> Gradients {
    const Tensor& gy = v.cotangent();
    return {v.needs(0) ? sum_to(gy, v.input_shape(0)) : Tensor(),
            v.needs(1) ? sum_to(gy, v.input_shape(1)) : Tensor()};
  });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return binary("sub", kernels::Sub{}, a, b, Saved::nothing(), [](const Vjp& v) -> Gradients {
    const Tensor& gy = v.cotangent();
    return {v.needs(0) ? sum_to(gy, v.input_shape(0)) : Tensor(),
            v.needs(1) ? neg(sum_to(gy, v.input_shape(1))) : Tensor()};
  });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const auto rule = [](const auto& v) -> Gradients {
    const Tensor& gy = v.cotangent();
    return {v.needs(0) ? sum_to(gy * v.input(1), v.input_shape(0)) : Tensor(),
            v.needs(1) ? sum_to(gy * v.input(0), v.input_shape(1)) : Tensor()};
  };
  const Saved saved = Saved::partners(a, b);
  if (a.shape() == b.shape()) return binary("mul", kernels::Mul{}, a, b, saved, rule);
  return binary_of_several("mul", kernels::Mul{}, a, b, saved, rule);
}

Tensor div(const Tensor& a, const Tensor& b) {
  const Saved saved = Saved::inputs({1}).and_output(b.requires_grad());
  return binary_of_several("div", kernels::Div{}, a, b, saved, [](const auto& v) -> Gradients {
    const Tensor ga = v.cotangent() / v.input(1);
    return {v.needs(0) ? sum_to(ga, v.input_shape(0)) : Tensor(),
            v.needs(1) ? neg(sum_to(ga * v.output(), v.input_shape(1))) : Tensor()};
  });
}

Tensor affine(const Tensor& x, double scale, double shift) {
  return unary({"affine", {{"scale", scale}, {"shift", shift}}}, kernels::Affine{scale, shift}, x,
               Saved::nothing(),
               [scale](const Vjp& v) -> Gradients { return {affine(v.cotangent(), scale, 0.0)}; });
}

Tensor neg(const Tensor& x) { return affine(x, -1.0, 0.0); }

Tensor div(const Tensor& x, double divisor) {
  return unary({"div", {{"divisor", divisor}}}, kernels::Quotient{divisor}, x, Saved::nothing(),
               [divisor](const Vjp& v) -> Gradients { return {div(v.cotangent(), divisor)}; });
}

Tensor clamp(const Tensor& x, double low, double high) {
  check(low <= high, "[clamp] low is {}, high is {}", low, high);
  return unary_of_several(
      {"clamp", {{"low", low}, {"high", high}}}, kernels::Clamp{low, high}, x, Saved::all_inputs(),
      [low, high](const auto& v) -> Gradients {  // 1 between the ends, which exclude it
        const Tensor u = v.input(0).detach();
        return {relu_grad(relu_grad(v.cotangent(), u - low), affine(u, -1.0, high))};
      });
}

Tensor exp(const Tensor& x) {
  return unary("exp", kernels::Exp{}, x, Saved::output(),
               [](const Vjp& v) -> Gradients { return {v.cotangent() * v.output()}; });
}

Tensor log(const Tensor& x) {
  return unary("log", kernels::Log{}, x, Saved::all_inputs(),
               [](const Vjp& v) -> Gradients { return {v.cotangent() / v.input(0)}; });
}

Tensor sqrt(const Tensor& x) {
  return unary_of_several(
      "sqrt", kernels::Sqrt{}, x, Saved::output(),
      [](const auto& v) -> Gradients { return {0.5 * v.cotangent() / v.output()}; });
}

Tensor square(const Tensor& x) {
  return unary_of_several(
      "square", kernels::Square{}, x, Saved::all_inputs(),
      [](const auto& v) -> Gradients { return {2.0 * (v.cotangent() * v.input(0))}; });
}

Tensor reciprocal(const Tensor& x) {
  return unary_of_several(
      "reciprocal", kernels::Reciprocal{}, x, Saved::output(),
      [](const auto& v) -> Gradients { return {-(v.cotangent() * square(v.output()))}; });
}

// The derivatives below never form a difference from one, such as 1 - y² or 1 - y: it has no digits
// left where y is nearly 1. All are sigmoid_grad, normal_cdf and gaussian, whose derivatives are
// again among them.

Tensor tanh(const Tensor& x) {
  return unary_of_several("tanh", kernels::Tanh{}, x, Saved::all_inputs(),
                          [](const auto& v) -> Gradients {  // tanh'(x) = 4 σ'(2x)
                            return {v.cotangent() * (4.0 * sigmoid_grad(2.0 * v.input(0)))};
                          });
}

Tensor erf(const Tensor& x) {
  return unary_of_several("erf", kernels::Erf{}, x, Saved::all_inputs(),
                          [](const auto& v) -> Gradients {
                            const double scale = 2.0 * std::numbers::inv_sqrtpi;
                            return {v.cotangent() * (scale * gaussian(v.input(0), 1.0))};
                          });
}

Tensor gaussian(const Tensor& x, double rate) {
  check(rate >= 0.5 && std::exp2(std::round(std::log2(rate))) == rate,
        "[gaussian] the rate is {}, expected a power of two from 0.5 on", rate);
  return unary_of_several({"gaussian", {{"rate", rate}}}, kernels::Gaussian{rate}, x,
                          Saved::all_inputs(), [rate](const auto& v) -> Gradients {
                            const Tensor slope =
                                finite_factor(v.input(0)) * gaussian(v.input(0), rate);
                            return {v.cotangent() * (-2.0 * rate * slope)};
                          });
}

Tensor normal_cdf(const Tensor& x) {
  return unary_of_several(
      "normal_cdf", kernels::NormalCdf{}, x, Saved::all_inputs(),
      [](const auto& v) -> Gradients { return {v.cotangent() * normal_density(v.input(0))}; });
}

Tensor sigmoid(const Tensor& x) {
  return unary_of_several(
      "sigmoid", kernels::Sigmoid{}, x, Saved::all_inputs(),
      [](const auto& v) -> Gradients { return {v.cotangent() * sigmoid_grad(v.input(0))}; });
}

Tensor sigmoid_grad(const Tensor& x) {
  return unary_of_several("sigmoid_grad", kernels::SigmoidGrad{}, x, Saved::all_inputs(),
                          [](const auto& v) -> Gradients {  // -σ'(x) tanh(x/2)
                            const Tensor slope = sigmoid_grad(v.input(0)) * tanh(0.5 * v.input(0));
                            return {v.cotangent() * -slope};
                          });
}

Tensor softplus(const Tensor& x) {
  return unary_of_several(
      "softplus", kernels::Softplus{}, x, Saved::all_inputs(),
      [](const auto& v) -> Gradients { return {v.cotangent() * sigmoid(v.input(0))}; });
}

Tensor relu(const Tensor& x) {
  return unary("relu", kernels::Relu{}, x, Saved::output(),
               [](const Vjp& v) -> Gradients { return {relu_grad(v.cotangent(), v.output())}; });
}

Tensor gelu(const Tensor& x) {
  return unary_of_several("gelu", kernels::Gelu{}, x, Saved::all_inputs(),
                          [](const auto& v) -> Gradients {  // Φ(x) + x φ(x)
                            const Tensor& u = v.input(0);
                            const Tensor slope =
                                normal_cdf(u) + finite_factor(u) * normal_density(u);
                            return {v.cotangent() * slope};
                          });
}

Tensor silu(const Tensor& x) {
  return unary_of_several("silu", kernels::Silu{}, x, Saved::all_inputs(),
                          [](const auto& v) -> Gradients {  // σ(x) (1 + x σ(-x))
                            const Tensor& u = v.input(0);
                            const Tensor slope =
                                sigmoid(u) * (finite_factor(u) * sigmoid(-u) + 1.0);
                            return {v.cotangent() * slope};
                          });
}

Tensor relu_grad(const Tensor& gy, const Tensor& y) {
  check_same_kind("relu_grad", {&gy, &y});
  check(gy.shape() == y.shape(), "[relu_grad] shapes differ: gy {}, y {}", gy.shape(), y.shape());
  // y only says where the derivative is 1: without its history no gradient is looked for there.
  return binary("relu_grad", kernels::ReluGrad{}, gy, y.detach(), Saved::inputs({1}),
                [](const Vjp& v) -> Gradients {
                  return {relu_grad(v.cotangent(), v.input(1)), Tensor()};
                });
}

}  // namespace switchyard

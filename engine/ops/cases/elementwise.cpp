#include "engine/ops/elementwise.h"
#include "engine/ops/cases.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;
using Make = Tensor (*)(std::int64_t size, CaseSource& source);

OpCase unary(std::string name, Tensor (*op)(const Tensor&), Make make,
             const TensorFunction& composed = nullptr) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {{make(size, source)}, [op](Inputs in) { return op(in[0]); }, composed};
          }};
}

/// a [3, size] with a b that broadcasts to it.
OpCase binary(std::string name, Tensor (*op)(const Tensor&, const Tensor&), Make make_b) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {{normal_input({3, size}, source), make_b(size, source)},
                    [op](Inputs in) { return op(in[0], in[1]); },
                    nullptr};
          }};
}

Tensor any(std::int64_t size, CaseSource& source) { return normal_input({size}, source); }
Tensor away_from_zero(std::int64_t size, CaseSource& source) {
  return gapped_input({size}, 0.5, source);
}
Tensor positive(std::int64_t size, CaseSource& source) {
  return positive_input({size}, 0.5, source);
}
Tensor column(std::int64_t /*size*/, CaseSource& source) { return normal_input({3, 1}, source); }

}  // namespace

std::vector<OpCase> elementwise_cases() {
  return {
      binary("add", add, any),
      binary("sub", sub, column),
      binary("mul", mul, any),
      binary("div", div, away_from_zero),
      {"affine",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{any(size, source)}, [](Inputs in) { return affine(in[0], -1.5, 0.25); }, nullptr};
       }},
      {"div_scalar",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{any(size, source)},
                 [](Inputs in) { return in[0] / 7.0; },
                 [](Inputs in) { return in[0] * (1.0 / 7.0); }};
       }},
      {"clamp",  // its kinks lie where no input does
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{away_from_zero(size, source)},
                 [](Inputs in) { return clamp(in[0], -0.25, 0.25) + clamp(in[0], -99.0, 99.0); },
                 [](Inputs in) { return in[0] + 0.25 * (in[0] / sqrt(square(in[0]))); }};
       }},
      unary("neg", neg, any),
      unary("exp", exp, any),
      unary("log", log, positive),
      unary("sqrt", sqrt, positive),
      unary("square", square, any, [](Inputs in) { return in[0] * in[0]; }),
      unary("reciprocal", reciprocal, away_from_zero,
            [](Inputs in) { return Tensor::scalar(1.0, in[0].dtype(), in[0].device()) / in[0]; }),
      unary("tanh", tanh, any, [](Inputs in) { return affine(sigmoid(2.0 * in[0]), 2.0, -1.0); }),
      unary("erf", erf, any),
      {"gaussian",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{any(size, source)},
                 [](Inputs in) { return gaussian(in[0], 0.5); },
                 [](Inputs in) { return exp(-0.5 * square(in[0])); }};
       }},
      unary("normal_cdf", normal_cdf, any,
            [](Inputs in) { return 0.5 * (erf(in[0] * 0.70710678118654752440) + 1.0); }),
      unary("sigmoid", sigmoid, any, [](Inputs in) { return reciprocal(exp(-in[0]) + 1.0); }),
      unary("sigmoid_grad", sigmoid_grad, any,
            [](Inputs in) { return sigmoid(in[0]) * affine(sigmoid(in[0]), -1.0, 1.0); }),
      unary("softplus", softplus, any, [](Inputs in) { return log(exp(in[0]) + 1.0); }),
      unary("relu", relu, away_from_zero,
            [](Inputs in) { return 0.5 * (in[0] + sqrt(square(in[0]))); }),
      unary("gelu", gelu, any,
            [](Inputs in) { return 0.5 * in[0] * (erf(in[0] * 0.70710678118654752440) + 1.0); }),
      unary("silu", silu, any, [](Inputs in) { return in[0] * sigmoid(in[0]); }),
      {"relu_grad",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         const Tensor y = away_from_zero(size, source);
         return {{any(size, source)},
                 [y](Inputs in) { return relu_grad(in[0], y.to(in[0].dtype())); },
                 nullptr};
       }},
  };
}

}  // namespace switchyard

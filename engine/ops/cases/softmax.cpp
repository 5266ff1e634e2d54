#include "engine/ops/softmax.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

constexpr std::int64_t kClasses = 5;

Tensor composed_softmax(const Tensor& x) {
  const Tensor e = exp(x);
  return e / sum(e, {-1}, true);
}

/// One-hot rows as a constant of x's dtype.
Tensor one_hot(const Tensor& labels, const Tensor& x) {
  Tensor hot = Tensor::zeros({labels.numel(), kClasses}, DType::kFloat64);
  std::int64_t row = 0;
  const Tensor host = labels.to(Device::kCpu);
  for (const std::int64_t label : host.span<std::int64_t>()) {
    hot.data<double>()[row++ * kClasses + label] = 1.0;
  }
  return hot.to(x.dtype()).to(x.device());
}

/// A function of gy and, through y = `result`(x), of x: y is a softmax, whatever the derivatives
/// are taken along.
OpCase backward(std::string name, Tensor (*op)(const Tensor&, const Tensor&),
                Tensor (*result)(const Tensor&), const TensorFunction& composed) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {
                {normal_input({size, kClasses}, source), normal_input({size, kClasses}, source)},
                [=](Inputs in) { return op(in[0], result(in[1])); },
                [=](Inputs in) {
                  const Tensor with_y[] = {in[0], result(in[1])};
                  return composed(with_y);
                }};
          }};
}

}  // namespace

std::vector<OpCase> softmax_cases() {
  return {
      {"softmax",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({3, size}, source)},
                 [](Inputs in) { return softmax(in[0]); },
                 [](Inputs in) { return composed_softmax(in[0]); }};
       },
       1},
      {"log_softmax",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({3, size}, source)},
                 [](Inputs in) { return log_softmax(in[0]); },
                 [](Inputs in) { return log(composed_softmax(in[0])); }};
       },
       1},
      {"cross_entropy",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         const Tensor labels = index_input({size}, kClasses, source);
         return {{normal_input({size, kClasses}, source)},
                 [labels](Inputs in) { return cross_entropy(in[0], labels); },
                 [labels](Inputs in) {
                   const Tensor log_p = log(composed_softmax(in[0]));
                   return -sum(log_p * one_hot(labels, in[0])) /
                          static_cast<double>(labels.numel());
                 }};
       },
       1},
      backward("softmax_backward", softmax_backward, softmax,
               [](Inputs in) { return in[1] * (in[0] - sum(in[0] * in[1], {-1}, true)); }),
      {"softmax_double_backward",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         const auto input = [&] { return normal_input({size, kClasses}, source); };
         return {{input(), input(), input()},
                 [](Inputs in) { return softmax_double_backward(in[0], in[1], in[2]); },
                 [](Inputs in) {
                   const auto mean = [&](const Tensor& x) { return sum(x * in[2], {-1}, true); };
                   return in[0] * (in[1] - mean(in[1])) - in[1] * mean(in[0]);
                 }};
       }},
      backward("log_softmax_backward", log_softmax_backward, log_softmax,
               [](Inputs in) { return in[0] - exp(in[1]) * sum(in[0], {-1}, true); }),
      {"cross_entropy_backward",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         const Tensor labels = index_input({size}, kClasses, source);
         // A function of the logits: p is a softmax, whatever the derivatives are taken along.
         return {
             {normal_input({}, source), normal_input({size, kClasses}, source)},
             [labels](Inputs in) { return cross_entropy_backward(in[0], softmax(in[1]), labels); },
             [labels](Inputs in) {
               return in[0] * (composed_softmax(in[1]) - one_hot(labels, in[1])) /
                      static_cast<double>(labels.numel());
             }};
       },
       1},
  };
}

}  // namespace switchyard

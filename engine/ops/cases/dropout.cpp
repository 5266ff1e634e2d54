#include "engine/ops/dropout.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"

namespace switchyard {

std::vector<OpCase> dropout_cases() {
  return {{"dropout", [](std::int64_t size, CaseSource& source) -> OpSample {
             constexpr double kDrop = 0.3;
             const Shape shape{3, size};
             const RandomPosition position = source.random.next(shape.numel());
             return {{normal_input(shape, source)},
                     [=](std::span<const Tensor> in) { return dropout(in[0], kDrop, position); },
                     [=](std::span<const Tensor> in) {
                       const Tensor ones = Tensor::full(shape, 1.0, in[0].dtype(), in[0].device());
                       return in[0] * dropout(ones, kDrop, position);
                     }};
           }}};
}

}  // namespace switchyard

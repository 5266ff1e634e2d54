#include "engine/ops/reduction.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

/// A function of one tensor [3, size, 2].
OpCase of_one(std::string name, TensorFunction function, TensorFunction composed = nullptr,
              std::int64_t smallest = 0) {
  return {std::move(name),
          [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {{normal_input({3, size, 2}, source)}, function, composed};
          },
          smallest};
}

}  // namespace

std::vector<OpCase> reduction_cases() {
  return {
      of_one("sum_to",
             [](Inputs in) {
               return sum_to(in[0], {in[0].size(1), 1});
             }),
      {"broadcast_to",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, 1}, source)},
                 [size](Inputs in) {
                   return broadcast_to(in[0], {3, size, 2});
                 },
                 nullptr};
       }},
      of_one("sum", [](Inputs in) { return sum(in[0]); }),
      of_one("sum_axes",
             [](Inputs in) {
               return sum(in[0], {0, -1});
             }),
      of_one(
          "mean", [](Inputs in) { return mean(in[0], {1}, true); },
          [](Inputs in) { return sum(in[0], {1}, true) / static_cast<double>(in[0].size(1)); }, 1),
      of_one(
          "variance",
          [](Inputs in) {
            return variance(in[0], {0, 1}, true);
          },
          [](Inputs in) {  // E[x²] - E[x]²
            const double n = 3.0 * static_cast<double>(in[0].size(1));
            const Tensor spread = mean(square(in[0]), {0, 1}) - square(mean(in[0], {0, 1}));
            return spread * (n / (n - 1.0));
          },
          1),
      {"dot",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({3, size}, source), normal_input({3, size}, source)},
                 [](Inputs in) { return dot(in[0], in[1]); },
                 [](Inputs in) { return sum(in[0] * in[1]); }};
       }},
  };
}

}  // namespace switchyard

#include "engine/ops/pooling.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"

namespace switchyard {

using Inputs = std::span<const Tensor>;

std::vector<OpCase> pooling_cases() {
  return {
      {"global_average_pool",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({2, 3, 2, size}, source)},
                 [](Inputs in) { return global_average_pool(in[0]); },
                 [](Inputs in) {
                   return sum(in[0], {1, 2}) / 6.0;
                 }};
       }},
      {"global_average_unpool",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {
             {normal_input({2, size}, source)},
             [](Inputs in) { return global_average_unpool(in[0], 3, 2); },
             [](Inputs in) {
               const std::int64_t channels = in[0].size(1);
               return broadcast_to(reshape(in[0], {2, 1, 1, channels}), {2, 3, 2, channels}) / 6.0;
             }};
       }},
  };
}

}  // namespace switchyard

#include "engine/ops/shape.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

}  // namespace

std::vector<OpCase> shape_cases() {
  return {
      {"reshape",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, 6}, source)},
                 [size](Inputs in) {
                   return reshape(in[0], {2, size, 3});
                 },
                 nullptr};
       }},
      {"transpose",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, 3}, source)},
                 [](Inputs in) { return transpose(in[0]); },
                 nullptr};
       }},
      {"transpose_stack",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({3, size, 2}, source)},
                 [](Inputs in) { return transpose(in[0]); },
                 [size](Inputs in) {  // matrix by matrix
                   std::vector<Tensor> parts;
                   for (std::int64_t i = 0; i < 3; ++i) {
                     parts.push_back(transpose(reshape(slice_rows(in[0], i, i + 1), {size, 2})));
                   }
                   return stack(parts);
                 }};
       }},
      {"concat",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, 2}, source), normal_input({3, 2}, source)},
                 [](Inputs in) { return concat(in); },
                 [](Inputs in) {  // fits each part into the whole
                   const std::int64_t rows = in[0].size(0);
                   return pad_rows(in[0], 0, rows + 3) + pad_rows(in[1], rows, rows + 3);
                 }};
       }},
      {"stack",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, 2}, source), normal_input({size, 2}, source)},
                 [](Inputs in) { return stack(in); },
                 nullptr};
       }},
      {"slice_rows",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size + 2, 3}, source)},
                 [size](Inputs in) { return slice_rows(in[0], 1, size + 1); },
                 nullptr};
       }},
      {"pad_rows",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, 3}, source)},
                 [size](Inputs in) { return pad_rows(in[0], 2, size + 3); },
                 nullptr};
       }},
  };
}

}  // namespace switchyard

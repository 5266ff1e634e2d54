#include "engine/ops/matmul.h"

#include <algorithm>

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/precision.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

Tensor oriented(const Tensor& x, bool transposed) { return transposed ? transpose(x) : x; }

/// A product as a broadcast and a sum over the inner axis.
Tensor composed_matmul(const Tensor& a, const Tensor& b) {
  const Tensor products =
      reshape(a, {a.size(0), a.size(1), 1}) * reshape(b, {1, b.size(0), b.size(1)});
  return sum(products, {1});
}

OpCase matmul_case(std::string name, bool transpose_a, bool transpose_b) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Shape a = transpose_a ? Shape{size, 3} : Shape{3, size};
            const Shape b = transpose_b ? Shape{4, size} : Shape{size, 4};
            return {{normal_input(a, source), normal_input(b, source)},
                    [=](Inputs in) { return matmul(in[0], in[1], transpose_a, transpose_b); },
                    [=](Inputs in) {
                      return composed_matmul(oriented(in[0], transpose_a),
                                             oriented(in[1], transpose_b));
                    }};
          }};
}

/// A product that goes on a sum, which in bfloat16 is float32 and rounded at the end.
OpCase matmul_add_case(std::string name, bool transpose_a, bool transpose_b) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Shape a = transpose_a ? Shape{size, 3} : Shape{3, size};
            const Shape b = transpose_b ? Shape{4, size} : Shape{size, 4};
            return {
                {normal_input(a, source), normal_input(b, source), normal_input({3, 4}, source)},
                [=](Inputs in) {
                  return convert(matmul_add(widened(in[2]), in[0], in[1], transpose_a, transpose_b),
                                 in[0].dtype());
                },
                [=](Inputs in) {
                  return in[2] + composed_matmul(oriented(in[0], transpose_a),
                                                 oriented(in[1], transpose_b));
                }};
          }};
}

constexpr std::int64_t kExperts = 4;

/// Segments of `rows` rows for four experts, the second of which gets none.
Tensor segments(std::int64_t rows, Device device) {
  return Tensor::from<std::int64_t>(
      {kExperts + 1}, std::vector<std::int64_t>{0, rows / 3, rows / 3, rows / 2, rows}, device);
}

/// Rows of expert e.
Tensor segment(const Tensor& x, const Tensor& offsets, std::int64_t e) {
  const Tensor host = offsets.to(Device::kCpu);
  const auto bounds = host.span<std::int64_t>();
  return slice_rows(x, bounds[static_cast<std::size_t>(e)],
                    bounds[static_cast<std::size_t>(e) + 1]);
}

Tensor expert_weight(const Tensor& w, std::int64_t e) {
  return reshape(slice_rows(w, e, e + 1), {w.size(1), w.size(2)});
}

OpCase grouped_case(std::string name, bool transpose_w) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor offsets = segments(size, source.device);
            const Shape w = transpose_w ? Shape{kExperts, 2, 3} : Shape{kExperts, 3, 2};
            return {{normal_input({size, 3}, source), normal_input(w, source)},
                    [=](Inputs in) { return grouped_matmul(in[0], in[1], offsets, transpose_w); },
                    [=](Inputs in) {
                      std::vector<Tensor> parts;
                      for (std::int64_t e = 0; e < kExperts; ++e) {
                        parts.push_back(matmul(segment(in[0], offsets, e), expert_weight(in[1], e),
                                               false, transpose_w));
                      }
                      return concat(parts);
                    }};
          }};
}

OpCase grouped_weight_grad_case() {
  return {"grouped_matmul_weight_grad", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor offsets = segments(size, source.device);
            return {{normal_input({size, 3}, source), normal_input({size, 2}, source)},
                    [=](Inputs in) { return grouped_matmul_weight_grad(in[0], in[1], offsets); },
                    [=](Inputs in) {
                      std::vector<Tensor> parts;
                      for (std::int64_t e = 0; e < kExperts; ++e) {
                        parts.push_back(matmul(segment(in[0], offsets, e),
                                               segment(in[1], offsets, e), true, false));
                      }
                      return stack(parts);
                    }};
          }};
}

/// The rows of expert e's segment as a column of ones: what hands its bias to each of them.
Tensor segment_ones(const Tensor& like, const Tensor& offsets, std::int64_t e) {
  const Tensor rows = segment(like, offsets, e);
  return Tensor::full({rows.size(0), 1}, 1.0, rows.dtype(), rows.device());
}

OpCase grouped_linear_case() {
  return {"grouped_linear", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor offsets = segments(size, source.device);
            return {{normal_input({size, 3}, source), normal_input({kExperts, 2, 3}, source),
                     normal_input({kExperts, 2}, source)},
                    [=](Inputs in) { return grouped_linear(in[0], in[1], in[2], offsets); },
                    [=](Inputs in) {
                      return grouped_matmul(in[0], in[1], offsets, true) +
                             segment_broadcast(in[2], offsets, in[0].size(0));
                    }};
          }};
}

OpCase segment_sum_case() {
  return {"segment_sum", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor offsets = segments(size, source.device);
            return {{normal_input({size, 2}, source)},
                    [=](Inputs in) { return segment_sum(in[0], offsets); },
                    [=](Inputs in) {
                      std::vector<Tensor> sums;
                      for (std::int64_t e = 0; e < kExperts; ++e) {
                        sums.push_back(matmul(segment_ones(in[0], offsets, e),
                                              segment(in[0], offsets, e), true, false));
                      }
                      return concat(sums);
                    }};
          }};
}

OpCase segment_broadcast_case() {
  return {"segment_broadcast", [](std::int64_t size, CaseSource& source) -> OpSample {
            const Tensor offsets = segments(size, source.device);
            const Tensor like = normal_input({size, 2}, source);
            return {{normal_input({kExperts, 2}, source)},
                    [=](Inputs in) { return segment_broadcast(in[0], offsets, size); },
                    [=](Inputs in) {
                      std::vector<Tensor> parts;
                      for (std::int64_t e = 0; e < kExperts; ++e) {
                        const Tensor ones = segment_ones(like.to(in[0].dtype()), offsets, e);
                        parts.push_back(matmul(ones, slice_rows(in[0], e, e + 1)));
                      }
                      return concat(parts);
                    }};
          }};
}

}  // namespace

std::vector<OpCase> matmul_cases() {
  return {
      matmul_case("matmul", false, false),
      matmul_case("matmul_transposed_a", true, false),
      matmul_case("matmul_transposed_b", false, true),
      matmul_case("matmul_transposed_both", true, true),
      matmul_add_case("matmul_add", false, false),
      matmul_add_case("matmul_add_transposed_both", true, true),
      {"linear",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({3, size}, source), normal_input({4, size}, source),
                  normal_input({4}, source)},
                 [](Inputs in) { return linear(in[0], in[1], in[2]); },
                 [](Inputs in) { return composed_matmul(in[0], transpose(in[1])) + in[2]; }};
       }},
      grouped_case("grouped_matmul", false),
      grouped_case("grouped_matmul_transposed", true),
      grouped_weight_grad_case(),
      grouped_linear_case(),
      segment_sum_case(),
      segment_broadcast_case(),
  };
}

}  // namespace switchyard

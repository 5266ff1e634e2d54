#include "analysis/moe_bench/routing_reference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace switchyard::moe_bench {
namespace {

using Numbers = std::vector<double>;
using Indices64 = std::vector<std::int64_t>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Choices {
  Indices64 indices;
  Numbers weights;
};

Choices choose(const Numbers& logits, std::int64_t tokens, std::int64_t experts, std::int64_t k) {
  Choices choices;
  Indices64 order(at(experts));
  for (std::int64_t t = 0; t < tokens; ++t) {
    const double* const row = logits.data() + t * experts;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return row[a] > row[b]; });
    double total = 0.0;
    for (std::int64_t j = 0; j < k; ++j) total += std::exp(row[order[at(j)]] - row[order[0]]);
    for (std::int64_t j = 0; j < k; ++j) {
      choices.indices.push_back(order[at(j)]);
      choices.weights.push_back(std::exp(row[order[at(j)]] - row[order[0]]) / total);
    }
  }
  return choices;
}

}  // namespace

RoutingReference routing_reference(const Tensor& logits, const Tensor& x, std::int64_t k) {
  const std::int64_t tokens = logits.size(0);
  const std::int64_t experts = logits.size(1);
  const std::int64_t width = x.size(1);
  const Choices choices = choose(logits.to_doubles(), tokens, experts, k);
  const Numbers from = x.to_doubles();
  Indices64 offsets(at(experts + 1), 0);
  for (const std::int64_t e : choices.indices) ++offsets[at(e + 1)];
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  Indices64 next(offsets.begin(), offsets.end() - 1);
  Indices64 permutation(at(tokens * k));
  Indices64 inverse(at(tokens * k));
  Numbers rows(at(tokens * k * width));
  Numbers outputs(rows.size());
  Numbers sums(at(tokens * width), 0.0);
  for (std::int64_t a = 0; a < tokens * k; ++a) {
    const std::int64_t slot = next[at(choices.indices[at(a)])]++;
    permutation[at(slot)] = a;
    inverse[at(a)] = slot;
    for (std::int64_t c = 0; c < width; ++c) {
      const double value = from[at(a / k * width + c)];
      rows[at(slot * width + c)] = value;
      const double output = value * static_cast<double>(1 + a % k);
      outputs[at(slot * width + c)] = output;
      sums[at(a / k * width + c)] += choices.weights[at(a)] * output;
    }
  }
  return {.indices = Tensor::from(Shape{tokens, k}, choices.indices),
          .weights = Tensor::from(Shape{tokens, k}, choices.weights),
          .offsets = Tensor::from(Shape{experts + 1}, offsets),
          .permutation = Tensor::from(Shape{tokens * k}, permutation),
          .inverse = Tensor::from(Shape{tokens, k}, inverse),
          .rows = Tensor::from(Shape{tokens * k, width}, rows),
          .outputs = Tensor::from(Shape{tokens * k, width}, outputs),
          .sums = Tensor::from(Shape{tokens, width}, sums)};
}

}  // namespace switchyard::moe_bench

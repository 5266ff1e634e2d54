#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/api/gate.h"
#include "kernels/common/gate_logits.h"
#include "kernels/cpu/fault.h"
#include "kernels/cpu/routing_rows.h"

// Tokens of a gate on the host: what the gate's kernel and those that go on from it share.

namespace switchyard::kernels {

/// weights [k] of the experts `kept` of a row, best first.
template <class T>
void weigh(GateOrder order, const std::vector<T>& row, const std::int64_t* kept, std::int64_t k,
           T* weights) {
  const T most = row[static_cast<std::size_t>(kept[0])];
  double sum = 0.0;
  for (std::int64_t j = 0; j < k; ++j) {
    weights[j] = std::exp(row[static_cast<std::size_t>(kept[j])] - most);
    sum += double{weights[j]};
  }
  if (order == GateOrder::kSoftmaxTopK) {
    sum = 0.0;
    for (const T value : row) sum += double{std::exp(value - most)};
  }
  for (std::int64_t j = 0; j < k; ++j) weights[j] = static_cast<T>(weights[j] / sum);
}

/// Chooses and weighs the experts of the tokens [begin, end); `bad` meets rows that cannot be
/// ranked.
template <class T>
void gate_tokens(const Gate<T>& a, const GateLogits<T>& values, std::int64_t begin,
                 std::int64_t end, LowestRow& bad) {
  std::vector<T> row(static_cast<std::size_t>(a.experts));
  for (std::int64_t t = begin; t < end; ++t) {
    for (std::int64_t e = 0; e < a.experts; ++e) {
      row[static_cast<std::size_t>(e)] = values.written(t * a.experts + e);
    }
    std::int64_t* const kept = a.indices + t * a.k;
    top_k_row(row.data(), a.experts, a.k, kept);
    const T most = row[static_cast<std::size_t>(kept[0])];
    if (!rankable(row.data(), a.experts) || most == std::numeric_limits<T>::infinity()) {
      bad.meet(t);
    }
    weigh(a.order, row, kept, a.k, a.weights + t * a.k);
  }
}

}  // namespace switchyard::kernels

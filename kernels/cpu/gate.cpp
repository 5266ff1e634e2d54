#include "kernels/api/gate.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/api/executor.h"
#include "kernels/common/gate_logits.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/routing_rows.h"

namespace switchyard::kernels {
namespace {

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

template <class T>
std::int64_t gate_rows(const GateShape& s, const GateOptions& options, const T* logits,
                       const T* deviation, T* weights, std::int64_t* indices) {
  const GateLogits<T> values(options, logits, deviation);
  std::atomic<std::int64_t> bad{s.tokens};
  parallel_for(
      s.tokens, rows_per_thread(s.experts * s.k), [&](std::int64_t begin, std::int64_t end) {
        std::vector<T> row(static_cast<std::size_t>(s.experts));
        for (std::int64_t t = begin; t < end; ++t) {
          for (std::int64_t e = 0; e < s.experts; ++e) {
            row[static_cast<std::size_t>(e)] = values(t * s.experts + e);
          }
          std::int64_t* const kept = indices + t * s.k;
          top_k_row(row.data(), s.experts, s.k, kept);
          const T most = row[static_cast<std::size_t>(kept[0])];
          if (!rankable(row.data(), s.experts) || most == std::numeric_limits<T>::infinity()) {
            keep_lowest(bad, t);
          }
          weigh(options.order, row, kept, s.k, weights + t * s.k);
        }
      });
  return bad < s.tokens ? bad.load() : -1;
}

}  // namespace

// ---- entry points

template <>
std::int64_t gate(Cpu&, const GateShape& shape, const GateOptions& options, const float* logits,
                  const float* deviation, float* weights, std::int64_t* indices) {
  return gate_rows(shape, options, logits, deviation, weights, indices);
}
template <>
std::int64_t gate(Cpu&, const GateShape& shape, const GateOptions& options, const double* logits,
                  const double* deviation, double* weights, std::int64_t* indices) {
  return gate_rows(shape, options, logits, deviation, weights, indices);
}

}  // namespace switchyard::kernels

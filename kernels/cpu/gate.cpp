#include "kernels/api/gate.h"

#include <cmath>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/cpu/gate_rows.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

template <class T>
void gate_threads(Cpu&, const Gate<T>& a) {
  const GateLogits<T> values(a);
  LowestRow bad;
  parallel_for(a.tokens, rows_per_thread(a.experts * a.k),
               [&](auto begin, auto end) { gate_tokens(a, values, begin, end, bad); });
  report(a.bad_row, bad.row());
}

/// The definition step by step, on one thread: v, k rounds of choosing, and the softmax.
template <class T>
void gate_plain_loops(Cpu&, const Gate<T>& a) {
  const GateLogits<T> values(a);
  const auto experts = static_cast<std::size_t>(a.experts);
  for (std::int64_t t = 0; t < a.tokens; ++t) {
    std::vector<T> row(experts);
    for (std::size_t e = 0; e < experts; ++e) {
      row[e] = values.written(t * a.experts + static_cast<std::int64_t>(e));
    }
    std::vector<bool> taken(experts, false);
    for (std::int64_t j = 0; j < a.k; ++j) {
      std::size_t best = experts;
      for (std::size_t e = 0; e < experts; ++e) {
        if (!taken[e] && (best == experts || row[e] > row[best])) best = e;
      }
      taken[best] = true;
      a.indices[t * a.k + j] = static_cast<std::int64_t>(best);
    }
    const auto chosen = [&](std::int64_t j) {
      return double{row[static_cast<std::size_t>(a.indices[t * a.k + j])]};
    };
    double sum = 0.0;
    if (a.order == GateOrder::kSoftmaxTopK) {
      for (const T value : row) sum += std::exp(double{value} - chosen(0));
    } else {
      for (std::int64_t j = 0; j < a.k; ++j) sum += std::exp(chosen(j) - chosen(0));
    }
    for (std::int64_t j = 0; j < a.k; ++j) {
      a.weights[t * a.k + j] = static_cast<T>(std::exp(chosen(j) - chosen(0)) / sum);
    }
    if (!rankable(row.data(), a.experts) || std::isinf(chosen(0))) {
      report(a.bad_row, static_cast<LowestNumber>(t));
    }
  }
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, Gate<T>> = std::to_array<Rung<Cpu, Gate<T>>>(
    {{"gate_plain_loops", gate_plain_loops<T>}, {"gate_threads", gate_threads<T>}});

template struct Provides<Cpu, Gate<float>, Gate<double>>;

}  // namespace switchyard::kernels

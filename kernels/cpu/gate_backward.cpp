#include "kernels/api/gate_backward.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/routing_rows.h"
#include "kernels/cpu/softmax_rows.h"

namespace switchyard::kernels {
namespace {

/// The definition, in double on one thread.
template <class T>
void plain_loops(Cpu&, const GateBackward<T>& a) {
  std::vector<double> g(static_cast<std::size_t>(a.experts));
  std::vector<double> p(g.size());
  for (std::int64_t t = 0; t < a.tokens; ++t) {
    const double base{a.gweights[t * a.k]};
    std::fill(g.begin(), g.end(), a.over_all() ? -base : 0.0);
    std::fill(p.begin(), p.end(), 0.0);
    if (a.over_all()) {
      const T* const row = a.values + t * a.experts;
      const double most{*std::max_element(row, row + a.experts)};
      double sum = 0.0;
      for (std::size_t e = 0; e < p.size(); ++e) sum += p[e] = std::exp(double{row[e]} - most);
      for (double& share : p) share /= sum;
    }
    for (std::int64_t i = t * a.k; i < (t + 1) * a.k; ++i) {
      const auto expert = static_cast<std::size_t>(a.indices[i]);
      g[expert] = double{a.gweights[i]} - base;
      if (!a.over_all()) p[expert] = double{a.weights[i]};
    }
    double mean = 0.0;
    for (std::size_t e = 0; e < p.size(); ++e) mean += p[e] * g[e];
    for (std::size_t e = 0; e < p.size(); ++e) {
      a.glogits[t * a.experts + static_cast<std::int64_t>(e)] =
          static_cast<T>(p[e] * (g[e] - mean));
    }
  }
}

/// Softmax's backward pass on the kept, then to their places among zeros. `row` has k elements.
template <class T>
void kept_row(const GateBackward<T>& a, std::int64_t t, T* row) {
  softmax_backward_row(a.gweights + t * a.k, a.weights + t * a.k, row, a.k);
  T* const to = a.glogits + t * a.experts;
  std::fill_n(to, a.experts, T{0});
  for (std::int64_t j = 0; j < a.k; ++j) to[a.indices[t * a.k + j]] = row[j];
}

/// The gradients of the weights to their places among zeros, then softmax's backward pass on all.
/// `row` has twice as many elements as there are experts.
template <class T>
void whole_row(const GateBackward<T>& a, std::int64_t t, T* row) {
  T* const spread = row + a.experts;
  softmax_row(a.values + t * a.experts, row, a.experts);
  std::fill_n(spread, a.experts, T{0});
  for (std::int64_t i = t * a.k; i < (t + 1) * a.k; ++i) spread[a.indices[i]] = a.gweights[i];
  softmax_backward_row(spread, row, a.glogits + t * a.experts, a.experts);
}

/// Rows over threads, with the loops of softmax.
template <class T>
void threads(Cpu&, const GateBackward<T>& a) {
  parallel_for(a.tokens, rows_per_thread(a.over_all() ? 8 * a.experts : a.experts + a.k),
               [&a](std::int64_t begin, std::int64_t end) {
                 std::vector<T> row(static_cast<std::size_t>(2 * a.experts));
                 for (std::int64_t t = begin; t < end; ++t) {
                   a.over_all() ? whole_row(a, t, row.data()) : kept_row(a, t, row.data());
                 }
               });
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, GateBackward<T>> = std::to_array<Rung<Cpu, GateBackward<T>>>(
    {{"gate_backward_plain_loops", plain_loops<T>}, {"gate_backward_threads", threads<T>}});

template struct Provides<Cpu, GateBackward<float>, GateBackward<double>>;

}  // namespace switchyard::kernels

#include "kernels/api/routing.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/common/floating_types.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/fault.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/routing_rows.h"

namespace switchyard::kernels {
namespace {

/// Columns that are summed at a time: the sums stay in the first-level cache.
constexpr std::int64_t kColumns = 512;

// ---- rows over threads

template <class T>
void top_k_threads(Cpu&, const TopK<T>& a) {
  LowestRow bad;
  parallel_for(a.tokens, rows_per_thread(a.experts * a.k), [&](auto begin, auto end) {
    for (std::int64_t t = begin; t < end; ++t) {
      if (!rankable(a.logits + t * a.experts, a.experts)) bad.meet(t);
      top_k_row(a.logits + t * a.experts, a.experts, a.k, a.indices + t * a.k);
    }
  });
  report(a.bad_row, bad.row());
}

template <class T>
void gather_threads(Cpu&, const Gather<T>& a) {
  parallel_for(a.tokens, rows_per_thread(a.k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * a.k; i < end * a.k; ++i) {
      a.y[i] = a.x[i / a.k * a.columns + a.indices[i]];
    }
  });
}

/// Rows [begin, end), each added up in the type that T widens to.
template <class T>
void scatter_add_rows(const ScatterAdd<T>& a, std::int64_t begin, std::int64_t end) {
  std::vector<ResultOf<T>> sums(static_cast<std::size_t>(a.columns));
  for (std::int64_t t = begin; t < end; ++t) {
    std::fill(sums.begin(), sums.end(), ResultOf<T>{0});
    for (std::int64_t i = t * a.k; i < (t + 1) * a.k; ++i) {
      sums[static_cast<std::size_t>(a.indices[i])] += widen(a.x[i]);
    }
    std::transform(sums.begin(), sums.end(), a.y + t * a.columns, convert_element<T, ResultOf<T>>);
  }
}

template <class T>
void scatter_add_threads(Cpu&, const ScatterAdd<T>& a) {
  parallel_for(a.tokens, rows_per_thread(a.k + a.columns),
               [&](auto begin, auto end) { scatter_add_rows(a, begin, end); });
}

template <class T>
void dispatch_threads(Cpu&, const Dispatch<T>& a) {
  const RouteShape& s = a.shape;
  parallel_for(s.slots, rows_per_thread(s.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t slot = begin; slot < end; ++slot) {
      const std::int64_t assignment = a.permutation[slot];
      const T* from = a.x + assignment / s.k * s.width;
      T* to = a.y + slot * s.width;
      if (a.weights == nullptr) {
        std::copy_n(from, s.width, to);
      } else {
        const ResultOf<T> weight = a.weights[assignment];
        for (std::int64_t d = 0; d < s.width; ++d) {
          to[d] = convert_element<T>(weight * widen(from[d]));
        }
      }
    }
  });
}

template <class T>
ResultOf<T> weight_of(const ResultOf<T>* weights, std::int64_t assignment) {
  return weights == nullptr ? ResultOf<T>(1) : weights[assignment];
}

/// Columns [first, first + count) of a token's sum.
template <class T>
void combine_columns(const Combine<T>& a, std::int64_t token, std::int64_t first,
                     std::int64_t count) {
  const auto& [tokens, k, slots, width] = a.shape;
  ResultOf<T> sums[kColumns];
  std::fill_n(sums, count, ResultOf<T>{0});
  for (std::int64_t i = token * k; i < (token + 1) * k; ++i) {
    if (a.inverse[i] < 0) continue;
    const ResultOf<T> weight = weight_of<T>(a.weights, i);
    const T* const from = a.x + a.inverse[i] * width + first;
    for (std::int64_t d = 0; d < count; ++d) sums[d] += weight * widen(from[d]);
  }
  T* const to = a.y + token * width + first;
  for (std::int64_t d = 0; d < count; ++d) to[d] = convert_element<T>(sums[d]);
}

template <class T>
void combine_threads(Cpu&, const Combine<T>& a) {
  const RouteShape& s = a.shape;
  parallel_for(s.tokens, rows_per_thread(s.k * s.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t token = begin; token < end; ++token) {
      for (std::int64_t first = 0; first < s.width; first += kColumns) {
        combine_columns(a, token, first, std::min(kColumns, s.width - first));
      }
    }
  });
}

/// Dot product in eight running sums, which lets it vectorise with a fixed order.
template <class T>
ResultOf<T> dot(const T* a, const T* b, std::int64_t count) {
  constexpr std::int64_t kLanes = 8;
  ResultOf<T> lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += widen(a[i + lane]) * widen(b[i + lane]);
    }
  }
  for (; i < count; ++i) lanes[i % kLanes] += widen(a[i]) * widen(b[i]);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <class T>
void combine_weight_grad_threads(Cpu&, const CombineWeightGrad<T>& a) {
  const RouteShape& s = a.shape;
  parallel_for(s.tokens, rows_per_thread(s.k * s.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * s.k; i < end * s.k; ++i) {
      a.gweights[i] = a.inverse[i] < 0
                          ? ResultOf<T>(0)
                          : dot(a.gy + i / s.k * s.width, a.x + a.inverse[i] * s.width, s.width);
    }
  });
}

void first_out_of_range_threads(Cpu&, const FirstOutOfRange& a) {
  LowestRow bad;
  parallel_for(a.count, rows_per_thread(1), [&](std::int64_t begin, std::int64_t end) {
    const auto* const found =
        std::find_if(a.indices + begin, a.indices + end,
                     [&](std::int64_t index) { return index < 0 || index >= a.bound; });
    if (found != a.indices + end) bad.meet(found - a.indices);
  });
  report(a.position, bad.row());
}

// ---- plain loops: the definitions, on one thread

/// k rounds, each of which takes the largest logit that is not taken yet. A NaN is never larger.
template <class T>
void top_k_plain(Cpu&, const TopK<T>& a) {
  for (std::int64_t t = 0; t < a.tokens; ++t) {
    const T* const row = a.logits + t * a.experts;
    std::vector<bool> taken(static_cast<std::size_t>(a.experts), false);
    for (std::int64_t j = 0; j < a.k; ++j) {
      std::int64_t best = -1;
      for (std::int64_t e = 0; e < a.experts; ++e) {
        if (taken[static_cast<std::size_t>(e)]) continue;
        if (best < 0 || row[e] > row[best]) best = e;
      }
      taken[static_cast<std::size_t>(best)] = true;
      a.indices[t * a.k + j] = best;
    }
    if (!rankable(row, a.experts)) report(a.bad_row, static_cast<LowestNumber>(t));
  }
}

void first_out_of_range_plain(Cpu&, const FirstOutOfRange& a) {
  for (std::int64_t i = 0; i < a.count; ++i) {
    if (a.indices[i] >= 0 && a.indices[i] < a.bound) continue;
    report(a.position, static_cast<LowestNumber>(i));
    return;
  }
}

template <class T>
void gather_plain(Cpu&, const Gather<T>& a) {
  for (std::int64_t t = 0; t < a.tokens; ++t) {
    for (std::int64_t j = 0; j < a.k; ++j) {
      a.y[t * a.k + j] = a.x[t * a.columns + a.indices[t * a.k + j]];
    }
  }
}

template <class T>
void scatter_add_plain(Cpu&, const ScatterAdd<T>& a) {
  for (std::int64_t t = 0; t < a.tokens; ++t) {
    for (std::int64_t c = 0; c < a.columns; ++c) {
      ResultOf<T> sum{0};
      for (std::int64_t i = t * a.k; i < (t + 1) * a.k; ++i) {
        if (a.indices[i] == c) sum += widen(a.x[i]);
      }
      a.y[t * a.columns + c] = convert_element<T>(sum);
    }
  }
}

template <class T>
void dispatch_plain(Cpu&, const Dispatch<T>& a) {
  const auto& [tokens, k, slots, width] = a.shape;
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t assignment = a.permutation[slot];
    for (std::int64_t d = 0; d < width; ++d) {
      const ResultOf<T> x = widen(a.x[assignment / k * width + d]);
      a.y[slot * width + d] = convert_element<T>(weight_of<T>(a.weights, assignment) * x);
    }
  }
}

template <class T>
void combine_plain(Cpu&, const Combine<T>& a) {
  const auto& [tokens, k, slots, width] = a.shape;
  for (std::int64_t i = 0; i < tokens * width; ++i) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t assignment = i / width * k + j;
      const std::int64_t slot = a.inverse[assignment];
      if (slot < 0) continue;
      sum += double{weight_of<T>(a.weights, assignment)} *
             double{widen(a.x[slot * width + i % width])};
    }
    a.y[i] = convert_element<T>(sum);
  }
}

template <class T>
void combine_weight_grad_plain(Cpu&, const CombineWeightGrad<T>& a) {
  const auto& [tokens, k, slots, width] = a.shape;
  for (std::int64_t assignment = 0; assignment < tokens * k; ++assignment) {
    const std::int64_t slot = a.inverse[assignment];
    double sum = 0.0;
    for (std::int64_t d = 0; slot >= 0 && d < width; ++d) {
      sum += double{widen(a.gy[assignment / k * width + d])} * double{widen(a.x[slot * width + d])};
    }
    a.gweights[assignment] = static_cast<ResultOf<T>>(sum);
  }
}

// ---- counting: one pass over the assignments

void segment_offsets_counting(Cpu&, const SegmentOffsets& a) {
  std::fill_n(a.offsets, a.experts + 1, 0);
  for (std::int64_t i = 0; i < a.assignments; ++i) ++a.offsets[a.indices[i] + 1];
  for (std::int64_t e = 0; e < a.experts; ++e) {
    const std::int64_t wanted = a.offsets[e + 1];
    const std::int64_t kept = a.capacity > 0 ? std::min(a.capacity, wanted) : wanted;
    a.offsets[e + 1] = a.offsets[e] + kept;
  }
}

/// A few cycles per assignment, which is little beside moving the rows.
void sort_assignments_counting(Cpu&, const SortAssignments& a) {
  std::vector<std::int64_t> next(a.offsets, a.offsets + a.experts);
  for (std::int64_t i = 0; i < a.assignments; ++i) {
    const std::int64_t expert = a.indices[i];
    std::int64_t& slot = next[static_cast<std::size_t>(expert)];
    if (slot == a.offsets[expert + 1]) {
      a.inverse[i] = -1;
    } else {
      a.permutation[slot] = i;
      a.inverse[i] = slot++;
    }
  }
}

/// The definition: every expert looks through all assignments for its own.
void segment_offsets_plain(Cpu&, const SegmentOffsets& a) {
  a.offsets[0] = 0;
  for (std::int64_t e = 0; e < a.experts; ++e) {
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < a.assignments; ++i) {
      if (a.indices[i] == e && (a.capacity == 0 || kept < a.capacity)) ++kept;
    }
    a.offsets[e + 1] = a.offsets[e] + kept;
  }
}

void sort_assignments_plain(Cpu&, const SortAssignments& a) {
  for (std::int64_t e = 0; e < a.experts; ++e) {
    std::int64_t slot = a.offsets[e];
    for (std::int64_t i = 0; i < a.assignments; ++i) {
      if (a.indices[i] != e) continue;
      a.inverse[i] = slot < a.offsets[e + 1] ? slot : -1;
      if (slot < a.offsets[e + 1]) a.permutation[slot++] = i;
    }
  }
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, TopK<T>> = std::to_array<Rung<Cpu, TopK<T>>>(
    {{"topk_plain_loops", top_k_plain<T>}, {"topk_threads", top_k_threads<T>}});

template <>
constexpr auto kRungs<Cpu, FirstOutOfRange> = std::to_array<Rung<Cpu, FirstOutOfRange>>(
    {{"first_out_of_range_plain_loops", first_out_of_range_plain},
     {"first_out_of_range_threads", first_out_of_range_threads}});

template <class T>
constexpr auto kRungs<Cpu, Gather<T>> = std::to_array<Rung<Cpu, Gather<T>>>(
    {{"gather_plain_loops", gather_plain<T>}, {"gather_threads", gather_threads<T>}});

template <class T>
constexpr auto kRungs<Cpu, ScatterAdd<T>> =
    std::to_array<Rung<Cpu, ScatterAdd<T>>>({{"scatter_add_plain_loops", scatter_add_plain<T>},
                                             {"scatter_add_threads", scatter_add_threads<T>}});

template <>
constexpr auto kRungs<Cpu, SegmentOffsets> = std::to_array<Rung<Cpu, SegmentOffsets>>(
    {{"segment_offsets_plain_loops", segment_offsets_plain},
     {"segment_offsets_counting", segment_offsets_counting}});

template <>
constexpr auto kRungs<Cpu, SortAssignments> = std::to_array<Rung<Cpu, SortAssignments>>(
    {{"sort_assignments_plain_loops", sort_assignments_plain},
     {"sort_assignments_counting", sort_assignments_counting}});

template <class T>
constexpr auto kRungs<Cpu, Dispatch<T>> = std::to_array<Rung<Cpu, Dispatch<T>>>(
    {{"dispatch_plain_loops", dispatch_plain<T>}, {"dispatch_threads", dispatch_threads<T>}});

template <class T>
constexpr auto kRungs<Cpu, Combine<T>> = std::to_array<Rung<Cpu, Combine<T>>>(
    {{"combine_plain_loops", combine_plain<T>}, {"combine_threads", combine_threads<T>}});

template <class T>
constexpr auto kRungs<Cpu, CombineWeightGrad<T>> = std::to_array<Rung<Cpu, CombineWeightGrad<T>>>(
    {{"combine_weight_grad_plain_loops", combine_weight_grad_plain<T>},
     {"combine_weight_grad_threads", combine_weight_grad_threads<T>}});

template struct Provides<Cpu, TopK<float>, TopK<double>, FirstOutOfRange,
                         OfEvery<FloatingTypes, Gather, ScatterAdd>, SegmentOffsets,
                         SortAssignments, RowMoves>;

}  // namespace switchyard::kernels

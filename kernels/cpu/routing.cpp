#include "kernels/api/routing.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/routing_rows.h"

namespace switchyard::kernels {
namespace {

template <class T>
std::int64_t top_k_rows(const T* logits, std::int64_t tokens, std::int64_t experts, std::int64_t k,
                        std::int64_t* indices) {
  std::atomic<std::int64_t> bad{tokens};
  parallel_for(tokens, rows_per_thread(experts * k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      if (!rankable(logits + t * experts, experts)) keep_lowest(bad, t);
      top_k_row(logits + t * experts, experts, k, indices + t * k);
    }
  });
  return bad < tokens ? bad.load() : -1;
}

template <class T>
void gather_rows(const T* x, const std::int64_t* indices, std::int64_t tokens, std::int64_t columns,
                 std::int64_t k, T* y) {
  parallel_for(tokens, rows_per_thread(k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t a = begin * k; a < end * k; ++a) y[a] = x[a / k * columns + indices[a]];
  });
}

template <class T>
void scatter_add_rows(const T* x, const std::int64_t* indices, std::int64_t tokens,
                      std::int64_t columns, std::int64_t k, T* y) {
  parallel_for(tokens, rows_per_thread(k + columns), [&](std::int64_t begin, std::int64_t end) {
    std::fill(y + begin * columns, y + end * columns, T(0));
    for (std::int64_t a = begin * k; a < end * k; ++a) y[a / k * columns + indices[a]] += x[a];
  });
}

template <class T>
void dispatch_rows(const RouteShape& s, const std::int64_t* permutation, const T* x,
                   const T* weights, T* y) {
  parallel_for(s.slots, rows_per_thread(s.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t slot = begin; slot < end; ++slot) {
      const std::int64_t assignment = permutation[slot];
      const T* from = x + assignment / s.k * s.width;
      T* to = y + slot * s.width;
      if (weights == nullptr) {
        std::copy_n(from, s.width, to);
      } else {
        const T weight = weights[assignment];
        for (std::int64_t d = 0; d < s.width; ++d) to[d] = weight * from[d];
      }
    }
  });
}

template <class T>
void combine_rows(const RouteShape& s, const std::int64_t* inverse, const T* x, const T* weights,
                  T* y) {
  parallel_for(s.tokens, rows_per_thread(s.k * s.width), [&](std::int64_t begin, std::int64_t end) {
    std::fill(y + begin * s.width, y + end * s.width, T(0));
    for (std::int64_t a = begin * s.k; a < end * s.k; ++a) {
      if (inverse[a] < 0) continue;
      const T weight = weights == nullptr ? T(1) : weights[a];
      const T* from = x + inverse[a] * s.width;
      T* to = y + a / s.k * s.width;
      for (std::int64_t d = 0; d < s.width; ++d) to[d] += weight * from[d];
    }
  });
}

/// Dot product in eight running sums, which lets it vectorise with a fixed order.
template <class T>
T dot(const T* a, const T* b, std::int64_t count) {
  constexpr std::int64_t kLanes = 8;
  T lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < count; ++i) lanes[i % kLanes] += a[i] * b[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <class T>
void combine_weight_grad_rows(const RouteShape& s, const std::int64_t* inverse, const T* x,
                              const T* gy, T* gweights) {
  parallel_for(s.tokens, rows_per_thread(s.k * s.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t a = begin * s.k; a < end * s.k; ++a) {
      gweights[a] =
          inverse[a] < 0 ? T(0) : dot(gy + a / s.k * s.width, x + inverse[a] * s.width, s.width);
    }
  });
}

}  // namespace

// ---- entry points

template <>
std::int64_t first_out_of_range(Cpu&, const std::int64_t* indices, std::int64_t count,
                                std::int64_t bound) {
  std::atomic<std::int64_t> bad{count};
  parallel_for(count, rows_per_thread(1), [&](std::int64_t begin, std::int64_t end) {
    const auto* found = std::find_if(indices + begin, indices + end, [bound](std::int64_t index) {
      return index < 0 || index >= bound;
    });
    if (found != indices + end) keep_lowest(bad, found - indices);
  });
  return bad < count ? bad.load() : -1;
}

template <>
void segment_offsets(Cpu&, const std::int64_t* indices, std::int64_t assignments,
                     std::int64_t experts, std::int64_t capacity, std::int64_t* offsets) {
  std::fill_n(offsets, experts + 1, 0);
  for (std::int64_t a = 0; a < assignments; ++a) ++offsets[indices[a] + 1];
  for (std::int64_t e = 0; e < experts; ++e) {
    const std::int64_t kept = capacity > 0 ? std::min(capacity, offsets[e + 1]) : offsets[e + 1];
    offsets[e + 1] = offsets[e] + kept;
  }
}

// A counting sort: one pass, a few cycles per assignment, which is little beside moving the rows.
template <>
void sort_assignments(Cpu&, const std::int64_t* indices, std::int64_t assignments,
                      std::int64_t experts, const std::int64_t* offsets, std::int64_t* permutation,
                      std::int64_t* inverse) {
  std::vector<std::int64_t> next(offsets, offsets + experts);
  for (std::int64_t a = 0; a < assignments; ++a) {
    const std::int64_t expert = indices[a];
    std::int64_t& slot = next[static_cast<std::size_t>(expert)];
    if (slot == offsets[expert + 1]) {
      inverse[a] = -1;
    } else {
      permutation[slot] = a;
      inverse[a] = slot++;
    }
  }
}

#define SWITCHYARD_ROUTING(T)                                                                      \
  template <>                                                                                      \
  std::int64_t top_k(Cpu&, const T* logits, std::int64_t tokens, std::int64_t experts,             \
                     std::int64_t k, std::int64_t* indices) {                                      \
    return top_k_rows(logits, tokens, experts, k, indices);                                        \
  }                                                                                                \
  template <>                                                                                      \
  void gather(Cpu&, const T* x, const std::int64_t* indices, std::int64_t tokens,                  \
              std::int64_t columns, std::int64_t k, T* y) {                                        \
    gather_rows(x, indices, tokens, columns, k, y);                                                \
  }                                                                                                \
  template <>                                                                                      \
  void scatter_add(Cpu&, const T* x, const std::int64_t* indices, std::int64_t tokens,             \
                   std::int64_t columns, std::int64_t k, T* y) {                                   \
    scatter_add_rows(x, indices, tokens, columns, k, y);                                           \
  }                                                                                                \
  template <>                                                                                      \
  void dispatch(Cpu&, const RouteShape& shape, const std::int64_t* permutation, const T* x,        \
                const T* weights, T* y) {                                                          \
    dispatch_rows(shape, permutation, x, weights, y);                                              \
  }                                                                                                \
  template <>                                                                                      \
  void combine(Cpu&, const RouteShape& shape, const std::int64_t* inverse, const T* x,             \
               const T* weights, T* y) {                                                           \
    combine_rows(shape, inverse, x, weights, y);                                                   \
  }                                                                                                \
  template <>                                                                                      \
  void combine_weight_grad(Cpu&, const RouteShape& shape, const std::int64_t* inverse, const T* x, \
                           const T* gy, T* gweights) {                                             \
    combine_weight_grad_rows(shape, inverse, x, gy, gweights);                                     \
  }

SWITCHYARD_ROUTING(float)
SWITCHYARD_ROUTING(double)
#undef SWITCHYARD_ROUTING

}  // namespace switchyard::kernels

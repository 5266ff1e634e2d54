#pragma once

#include <cstdint>

#include "kernels/api/executor.h"
#include "kernels/api/variants.h"

namespace switchyard::kernels {

// Sizes: T tokens, E experts, k choices per token, S slots (kept assignments), D columns of a
// token. Assignment a = token · k + choice. Indices are int64. Nothing here depends on the thread
// count.

/// indices [T, k]: the k largest of each row of `logits` [T, E], descending, ties to the lower
/// index; 1 <= k <= E. Returns the lowest row that holds NaN or is all -inf, whose indices are then
/// meaningless, or -1.
template <class Exec, class T>
std::int64_t top_k(Exec& executor, const T* logits, std::int64_t tokens, std::int64_t experts,
                   std::int64_t k, std::int64_t* indices);

/// Position of the first index outside [0, bound), or -1.
template <class Exec>
std::int64_t first_out_of_range(Exec& executor, const std::int64_t* indices, std::int64_t count,
                                std::int64_t bound);

/// y [T, k]: y[t, j] = x[t, indices[t, j]] for x [T, columns].
template <class Exec, class T>
void gather(Exec& executor, const T* x, const std::int64_t* indices, std::int64_t tokens,
            std::int64_t columns, std::int64_t k, T* y);

/// y [T, columns]: zeros, then y[t, indices[t, j]] += x[t, j] in the order of j.
template <class Exec, class T>
void scatter_add(Exec& executor, const T* x, const std::int64_t* indices, std::int64_t tokens,
                 std::int64_t columns, std::int64_t k, T* y);

/// offsets [E+1]: slots [offsets[e], offsets[e+1]) go to expert e, which takes at most `capacity`
/// assignments (0: any number). `assignments` = T · k entries of `indices`, each in [0, E).
template <class Exec>
void segment_offsets(Exec& executor, const std::int64_t* indices, std::int64_t assignments,
                     std::int64_t experts, std::int64_t capacity, std::int64_t* offsets);

/// Stable sort of the assignments by expert, of which each expert keeps the first
/// offsets[e+1] - offsets[e]. permutation [S]: slot -> assignment; inverse [T · k]: assignment ->
/// slot, -1 if dropped.
template <class Exec>
void sort_assignments(Exec& executor, const std::int64_t* indices, std::int64_t assignments,
                      std::int64_t experts, const std::int64_t* offsets, std::int64_t* permutation,
                      std::int64_t* inverse);

/// Sizes of the token movement below.
struct RouteShape {
  std::int64_t tokens = 0;
  std::int64_t k = 0;
  std::int64_t slots = 0;
  std::int64_t width = 0;  ///< D
};

// One trilinear form Σ_{t,j} weights[t, j] · <gy[t], x[slot(t, j)]> with three faces: combine,
// dispatch and the gradient of the weights. Dropped assignments contribute nothing. `weights`
// [T, k] may be null, which stands for ones.

/// y [S, D]: y[s] = weights[permutation[s]] · x[permutation[s] / k] for x [T, D].
template <class Exec, class T>
void dispatch(Exec& executor, const RouteShape& shape, const std::int64_t* permutation, const T* x,
              const T* weights, T* y);

/// y [T, D]: y[t] = Σ_j weights[t, j] · x[inverse[t, j]] for x [S, D].
template <class Exec, class T>
void combine(Exec& executor, const RouteShape& shape, const std::int64_t* inverse, const T* x,
             const T* weights, T* y);

/// gweights [T, k]: <gy[t], x[inverse[t, j]]> for x [S, D], gy [T, D]; 0 where dropped.
template <class Exec, class T>
void combine_weight_grad(Exec& executor, const RouteShape& shape, const std::int64_t* inverse,
                         const T* x, const T* gy, T* gweights);

// ---- the ladders behind them (kernels/cuda/top_k.cu, gather.cu, segment_offsets.cu,
// sort_assignments.cu, dispatch.cu)

template <class Exec, class T>
using TopKFunction = std::int64_t(Exec&, const T* logits, std::int64_t tokens, std::int64_t experts,
                                  std::int64_t k, std::int64_t* indices);
template <class Exec, class T>
VariantLadder<TopKFunction<Exec, T>> top_k_ladder();

template <class Exec>
using FirstOutOfRangeFunction = std::int64_t(Exec&, const std::int64_t* indices, std::int64_t count,
                                             std::int64_t bound);
template <class Exec>
VariantLadder<FirstOutOfRangeFunction<Exec>> first_out_of_range_ladder();

template <class Exec, class T>
using GatherFunction = void(Exec&, const T* x, const std::int64_t* indices, std::int64_t tokens,
                            std::int64_t columns, std::int64_t k, T* y);
template <class Exec, class T>
VariantLadder<GatherFunction<Exec, T>> gather_ladder();
template <class Exec, class T>
VariantLadder<GatherFunction<Exec, T>> scatter_add_ladder();

template <class Exec>
using SegmentOffsetsFunction = void(Exec&, const std::int64_t* indices, std::int64_t assignments,
                                    std::int64_t experts, std::int64_t capacity,
                                    std::int64_t* offsets);
template <class Exec>
VariantLadder<SegmentOffsetsFunction<Exec>> segment_offsets_ladder();

template <class Exec>
using SortAssignmentsFunction = void(Exec&, const std::int64_t* indices, std::int64_t assignments,
                                     std::int64_t experts, const std::int64_t* offsets,
                                     std::int64_t* permutation, std::int64_t* inverse);
template <class Exec>
VariantLadder<SortAssignmentsFunction<Exec>> sort_assignments_ladder();

/// dispatch(permutation, x, weights, y), combine(inverse, x, weights, y) or
/// combine_weight_grad(inverse, x, gy, gweights).
template <class Exec, class T>
using RouteFunction = void(Exec&, const RouteShape& shape, const std::int64_t* map, const T* x,
                           const T* other, T* y);
template <class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> dispatch_ladder();
template <class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> combine_ladder();
template <class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> combine_weight_grad_ladder();

}  // namespace switchyard::kernels

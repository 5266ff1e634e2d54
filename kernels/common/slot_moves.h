#pragma once

#include "kernels/api/moe.h"
#include "kernels/api/run.h"

// The MoE layer's rungs, on every executor, move rows between tokens and slots with these.

namespace switchyard::kernels {

/// y [S, width]: each slot's row of x [T, width], times its weight if there are any.
template <class T, class Exec>
void gather_slots(Exec& exec, const MoeShape& s, const MoeRoutes& routes, std::int64_t width,
                  const T* x, const ResultOf<T>* weights, T* y) {
  run(exec, Dispatch<T>{.shape = {s.tokens, s.k, s.slots, width},
                        .permutation = routes.permutation,
                        .x = x,
                        .weights = weights,
                        .y = y});
}

/// y [T, width]: the sum of each token's rows of x [S, width], in the order of its choices, each
/// times its weight if there are any.
template <class T, class Exec>
void sum_slots(Exec& exec, const MoeShape& s, const MoeRoutes& routes, std::int64_t width,
               const T* x, const ResultOf<T>* weights, T* y) {
  run(exec, Combine<T>{.shape = {s.tokens, s.k, s.slots, width},
                       .inverse = routes.inverse,
                       .x = x,
                       .weights = weights,
                       .y = y});
}

}  // namespace switchyard::kernels

#pragma once

#include "kernels/api/route.h"
#include "kernels/api/routing.h"
#include "kernels/api/run.h"

namespace switchyard::kernels {

/// The naive rung of Route, for every executor: the gate's kernel, the offsets' and the sort's, one
/// after the other. The indices go through memory between them.
template <class Exec, class T>
void route_separate_kernels(Exec& exec, const Route<T>& a) {
  const std::int64_t assignments = a.gate.tokens * a.gate.k;
  run(exec, a.gate);
  run(exec, SegmentOffsets{.indices = a.gate.indices,
                           .assignments = assignments,
                           .experts = a.gate.experts,
                           .capacity = 0,
                           .offsets = a.offsets});
  run(exec, SortAssignments{.indices = a.gate.indices,
                            .assignments = assignments,
                            .experts = a.gate.experts,
                            .offsets = a.offsets,
                            .permutation = a.permutation,
                            .inverse = a.inverse});
}

}  // namespace switchyard::kernels

#pragma once

#include "kernels/workbench/problem.h"

// Works out by plain loops where tokens go; the cases of the routing families start from it.

namespace switchyard::kernels::workbench {

/// An expert for each of `count` assignments. skew 0: in turn, so that all get as many; 1: at
/// random, with every third expert left empty; larger: at random, the lower experts the hotter.
Indices random_experts(Problem& random, std::int64_t count, std::int64_t experts,
                       std::int64_t skew);

/// The assignments sorted by expert, each of which keeps its first `capacity` (0: all).
struct Sorted {
  Indices offsets;      ///< [experts + 1]
  Indices permutation;  ///< slot -> assignment
  Indices inverse;      ///< assignment -> slot, -1 if dropped
};
Sorted sort_by_expert(const Indices& assignments, std::int64_t experts, std::int64_t capacity);

/// The offsets alone, of all assignments.
Indices offsets_of(const Indices& assignments, std::int64_t experts);

}  // namespace switchyard::kernels::workbench

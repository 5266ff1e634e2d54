#pragma once

#include "kernels/api/moe.h"
#include "kernels/workbench/routes.h"
#include "kernels/workbench/sizes.h"

// The cases of the token MoE layer and of its steps start from the same sizes, routes and hidden
// units, all worked out by plain formulas in double.

namespace switchyard::kernels::workbench {

inline constexpr std::int64_t kActivations = 3;

/// Activation number 0 ... 2 of the sizes.
ExpertActivation activation_of(const Sizes& s);

/// The hidden unit of u, whose second input is `second`, and its derivatives by both. It is linear
/// in the second.
struct Unit {
  double value = 0.0;
  double by_first = 0.0;
  double by_second = 0.0;
  double by_first_twice = 0.0;
  double by_both = 0.0;
};
Unit unit_of(ExpertActivation activation, double u, double second);

/// A layer's sizes and routes.
struct Layer {
  static std::vector<SizeParameter> parameters();
  static std::vector<std::vector<std::int64_t>> odd_sizes();
  /// Sorts the assignments, whose experts it draws, and says how many are kept.
  static Sorted route(const Sizes& s, Problem& p, Indices* experts);
  static MoeShape shape(const Sizes& s, std::int64_t slots);
};

}  // namespace switchyard::kernels::workbench

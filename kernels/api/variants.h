#pragma once

#include <span>
#include <string_view>

namespace switchyard::kernels {

/// One rung of a ladder: a way to compute what the family's entry point computes. `Function` is a
/// function type such as void(Exec&, const T*, T*, std::int64_t).
template <class Function>
struct Variant {
  std::string_view name;   ///< the technique, "topk_warp_per_token"
  std::string_view needs;  ///< what it requires of sizes, alignment or hardware; empty: nothing
  Function* run;
  /// Largest relative error where the variant rounds its operands; 0: the one of its dtype.
  double tolerance = 0.0;
};

/// A ladder from the naive variant to the best, which the entry point uses where `needs` is met.
template <class Function>
using VariantLadder = std::span<const Variant<Function>>;

}  // namespace switchyard::kernels

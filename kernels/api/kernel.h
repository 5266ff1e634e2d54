#pragma once

#include <array>
#include <span>
#include <string_view>

#include "kernels/api/executor.h"

// A kernel is a struct: its fields are the arguments of one call, `kName` is its name, and work()
// says what the call cannot avoid. kernels/api/run.h is the only way to call one.
//
//   /// y = eˣ / Σ eˣ over each row.
//   template <class T>
//   struct SoftmaxForward {
//     static constexpr std::string_view kName = "softmax_forward";
//     const T* x = nullptr;  ///< [rows, columns]
//     ...
//     Work work() const;
//   };
//
// An executor that has the kernel provides a ladder of rungs for it (kernels/api/provide.h).

namespace switchyard::kernels {

/// Counts the work that no implementation of one call can avoid.
struct Work {
  double bytes = 0.0;  ///< every operand read once, every result written once (compulsory bytes)
  double flops = 0.0;  ///< arithmetic of the definition; 0 where bytes are what matters
};

/// `count` elements of type T, in bytes.
template <class T>
constexpr double bytes_of(std::int64_t count) {
  return static_cast<double>(count) * static_cast<double>(sizeof(T));
}

/// A property of a call's arguments, in code and in words; without code every call has it.
template <class Op>
struct Condition {
  std::string_view text = {};
  bool (*holds)(const Op& arguments) = nullptr;

  bool operator()(const Op& arguments) const { return holds == nullptr || holds(arguments); }
};

/// One way to compute a kernel on an executor.
template <class Exec, class Op>
struct Rung {
  std::string_view name;  ///< the technique, "topk_warp_per_token"
  void (*run)(Exec& exec, const Op& arguments);
  /// The arguments that it takes; a call with others is refused (kernels/api/error.h: Refusal).
  Condition<Op> takes = {};
  /// The arguments for which it is better than the rungs before it; others get it only by name.
  Condition<Op> pays = {};
  /// Largest relative error where the rung rounds its operands; 0: the one of its dtype.
  double tolerance = 0.0;
};

/// The rungs of a kernel from the naive to the best. run() takes the last one that takes the
/// arguments and pays.
template <class Exec, class Op>
using Ladder = std::span<const Rung<Exec, Op>>;

/// The executor's ladder. A kernel that the executor lacks is a link error.
template <class Exec, class Op>
Ladder<Exec, Op> ladder();

/// A rung that pays nowhere: only a caller or a user who names it gets it.
template <class Op>
constexpr bool never(const Op& /*arguments*/) {
  return false;
}

}  // namespace switchyard::kernels

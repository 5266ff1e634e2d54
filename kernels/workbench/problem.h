#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "kernels/workbench/element_type.h"
#include "kernels/workbench/measured.h"

namespace switchyard::kernels::workbench {

using Numbers = std::vector<double>;
using Expected = std::vector<Measured>;
using Indices = std::vector<std::int64_t>;
/// Extents of an array; the product of them is its size.
using Dims = std::initializer_list<std::int64_t>;

/// One array that a kernel is called with.
struct Array {
  ElementType type = ElementType::kFloat32;
  std::int64_t count = 0;
  bool absent = false;                ///< the kernel gets a null pointer
  bool updated = false;               ///< a result that is read first
  std::vector<std::byte> bytes = {};  ///< what it holds before the call; poison in a plain result
  std::optional<Expected> expected = {};  ///< of a result: what it must hold afterwards
};

/// Operands on random data, and what plain loops in float64 make of them. A case adds the arrays in
/// the order in which it passes them to the kernel.
///
/// Errors of whatever adds an array: std::invalid_argument for more elements than the workbench
/// takes.
class Problem {
 public:
  explicit Problem(std::uint64_t seed) : seed_(seed) {}
  Problem(Problem&&) = default;
  Problem& operator=(Problem&&) = default;

  /// An operand of standard normal numbers, rounded to T; returns them.
  template <class T>
  const Numbers& normal(Dims dims);
  /// An operand with these values, rounded to T; returns what came of them.
  template <class T>
  const Numbers& operand(Numbers values);
  const Indices& indices(Indices values);
  /// An operand that is not there.
  void absent();

  /// A result, poisoned before the call so that every element must be written. Returns what it must
  /// come to, all zero: the case fills it in. What adds up terms writes y[i] += term, so that the
  /// terms' magnitudes add up beside them.
  template <class T>
  Expected& result(Dims dims);
  /// A result that also is an operand, of standard normal numbers; returns what it must come to,
  /// at first what it holds.
  template <class T>
  Expected& updated(Dims dims);
  /// A number that the call needs besides the sizes, such as how many assignments are kept.
  void value(std::int64_t number) { value_ = number; }
  std::int64_t value() const { return value_; }
  /// A number that the kernel lowers to the first bad row (kernels/api/routing.h), which is to come
  /// to `expected`, or stay at none, which is -1.
  void lowest(std::int64_t expected);

  /// Counts the arithmetic of the operation; without it, speed is counted in bytes.
  void flops(double count) { flops_ = count; }
  double flops() const { return flops_; }
  /// Bytes of every operand read once and every result written once: no implementation moves less.
  double bytes() const;

  const std::deque<Array>& arrays() const { return arrays_; }

  /// `count` standard normal or, in [0, 1), uniform numbers, other ones at each call.
  Numbers random_normal(std::int64_t count);
  Numbers random_uniform(std::int64_t count);

 private:
  template <class T>
  Array& add(const Numbers& values);

  std::uint64_t seed_;
  std::deque<Array> arrays_;
  std::deque<Numbers> operands_;  // what normal() and operand() returned
  std::deque<Indices> indices_;
  std::int64_t value_ = 0;
  double flops_ = 0.0;
};

Numbers values_of(const Expected& expected);

/// Product of the extents. Errors: std::invalid_argument for more than the workbench takes.
std::int64_t element_count(std::span<const std::int64_t> dims);

/// The elements of an array as doubles.
Numbers to_doubles(ElementType type, std::span<const std::byte> bytes);

/// ‖got - want‖ / ‖scale‖ with scaleᵢ = max(|wantᵢ|, share · magnitudeᵢ): relative to the result,
/// or where that cancels to a share of what cancelled. 0 where both are equal, NaN where one holds
/// one.
double relative_error(std::span<const double> got, const Expected& want, double share);

}  // namespace switchyard::kernels::workbench

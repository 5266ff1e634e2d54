#include "kernels/api/elementwise.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

template <class Functor>
Functor make() {
  if constexpr (std::is_same_v<Functor, Affine>) {
    return {1.5, -0.25};
  } else if constexpr (std::is_same_v<Functor, Quotient>) {
    return {0.7};
  } else if constexpr (std::is_same_v<Functor, Clamp>) {
    return {-1.0, 0.5};
  } else {
    return {};
  }
}

/// Numbers of magnitude 0.1 to 3: logarithm, root and quotient are far from their poles.
template <class T>
const Numbers& moderate(std::int64_t count, bool positive, Problem& p) {
  Numbers values = p.random_normal(count);
  for (double& value : values) {
    const double magnitude = 0.1 + std::fmod(std::abs(value), 2.9);
    value = value < 0.0 && !positive ? -magnitude : magnitude;
  }
  return p.operand<T>(std::move(values));
}

/// The operation's formula is shared with the kernels (kernels/common/scalar_ops.h), here evaluated
/// in float64; tests/engine/ops hold it against formulas of their own.
template <class Functor>
struct UnaryCase {
  static constexpr const char* kComputes = "y = op(x), an element at a time";
  static constexpr bool kPositive = std::is_same_v<Functor, Log> || std::is_same_v<Functor, Sqrt>;

  static std::vector<SizeParameter> parameters() { return {{"count", 1 << 18}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0}, {1}, {31}, {33}, {127}, {1027}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = moderate<T>(element_count({{s["count"]}}), kPositive, p);
    Expected& y = p.result<T>({s["count"]});
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = make<Functor>()(x[i]);
      if constexpr (std::is_same_v<Functor, Affine>) {  // its terms may cancel
        const Affine affine = make<Functor>();
        y[i].magnitude = std::abs(affine.scale * x[i]) + std::abs(affine.shift);
      }
    }
  }
  template <class T>
  static MapUnary<Functor, T> arguments(const Sizes& s, Arguments& p) {
    return {.op = make<Functor>(), .x = p.at<const T>(0), .y = p.at<T>(1), .count = s["count"]};
  }
};

/// Results of four axes. Bit i of `a_repeats` says that a has size 1 along axis i, so that it
/// repeats there; b likewise.
template <class Functor>
struct BinaryCase {
  static constexpr const char* kComputes =
      "y [n0, n1, n2, n3] = op(a, b); bit i of a_repeats: a has size 1 along axis i";
  using Extents = std::array<std::int64_t, 4>;

  static std::vector<SizeParameter> parameters() {
    return {{"n0", 1},
            {"n1", 1},
            {"n2", 512},
            {"n3", 512},
            {"a_repeats", 0, 0, 15},
            {"b_repeats", 0, 0, 15}};
  }
  /// Equal shapes, a vector along the last axis: some variants take only one of the two.
  static std::vector<std::vector<std::int64_t>> standard_sizes() {
    return {{1, 1, 512, 512, 0, 0}, {1, 1, 512, 512, 0, 4}};
  }
  /// Equal shapes, scalars, one element, empty, last axis, first axis, outer, any strides.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{1, 1, 1, 127, 0, 0}, {1, 1, 1, 1029, 0, 8}, {1, 1, 1, 33, 8, 0},   {1, 1, 1, 1, 0, 0},
            {1, 1, 0, 3, 0, 4},   {1, 1, 31, 33, 0, 4},  {1, 1, 65, 300, 4, 0}, {1, 1, 33, 5, 8, 0},
            {1, 1, 9, 7, 8, 4},   {3, 5, 2, 7, 10, 5}};
  }
  static Extents extents(const Sizes& s, std::int64_t repeats) {
    Extents extents = {s["n0"], s["n1"], s["n2"], s["n3"]};
    for (std::size_t axis = 0; axis < 4; ++axis) {
      if ((repeats >> axis & 1) != 0) extents[axis] = 1;
    }
    return extents;
  }
  static BroadcastPlan plan(const Sizes& s) {
    return plan_broadcast(extents(s, 0), extents(s, s["a_repeats"]), extents(s, s["b_repeats"]));
  }
  /// Returns where element `i` of the result finds its element of an operand of these extents.
  static std::size_t place(const Extents& result, const Extents& operand, std::int64_t i) {
    std::int64_t at = 0;
    std::int64_t step = 1;
    for (std::size_t axis = 4; axis-- > 0; i /= result[axis]) {
      if (operand[axis] != 1) at += i % result[axis] * step;
      step *= operand[axis];
    }
    return static_cast<std::size_t>(at);
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Extents result = extents(s, 0);
    const Extents of_a = extents(s, s["a_repeats"]);
    const Extents of_b = extents(s, s["b_repeats"]);
    for (std::size_t axis = 0; axis < 4; ++axis) {
      if (result[axis] != of_a[axis] && result[axis] != of_b[axis]) {
        throw std::invalid_argument(fmt::format(
            "a_repeats, b_repeats: both repeat along axis {} of size {}", axis, result[axis]));
      }
    }
    const Numbers& a = moderate<T>(element_count(of_a), false, p);
    const Numbers& b = moderate<T>(element_count(of_b), false, p);
    Expected& y = p.result<T>({element_count(result)});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto element = static_cast<std::int64_t>(i);
      y[i] = make<Functor>()(a[place(result, of_a, element)], b[place(result, of_b, element)]);
    }
  }
  template <class T>
  static MapBinary<Functor, T> arguments(const Sizes& s, Arguments& p) {
    return {.op = make<Functor>(),
            .a = p.at<const T>(0),
            .b = p.at<const T>(1),
            .y = p.at<T>(2),
            .plan = plan(s)};
  }
};

/// Appends the functors' entry points. What each computes bears its functor's name.
template <template <class> class Case, class... Functors>
void add_each(std::vector<EntryPoint>& entry_points, TypeList<Functors...>) {
  const auto add = [&](EntryPoint entry) {
    entry.computes.replace(entry.computes.find("op("), 2, entry.name);
    entry_points.push_back(std::move(entry));
  };
  (add(describe<Case<Functors>, float, double, BFloat16>()), ...);
}

}  // namespace

Family elementwise_family() {
  Family family = {.name = "elementwise",
                   .sources = {"kernels/cuda/elementwise.cu"},
                   .page = "docs/kernels/elementwise.md",
                   .entry_points = {}};
  add_each<UnaryCase>(family.entry_points, UnaryFunctors{});
  add_each<BinaryCase>(family.entry_points, BinaryFunctors{});
  return family;
}

}  // namespace switchyard::kernels::workbench

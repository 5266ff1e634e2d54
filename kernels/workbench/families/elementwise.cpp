#include "kernels/api/elementwise.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "kernels/workbench/describe.h"
#include "kernels/workbench/families.h"

namespace switchyard::kernels::workbench {
namespace {

template <class Op>
Op make() {
  if constexpr (std::is_same_v<Op, Affine>) {
    return {1.5, -0.25};
  } else if constexpr (std::is_same_v<Op, Quotient>) {
    return {0.7};
  } else if constexpr (std::is_same_v<Op, Clamp>) {
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
template <class Op>
struct UnaryCase {
  static inline const char* kName = "";
  static constexpr const char* kComputes = "y = op(x), an element at a time";
  static constexpr bool kPositive = std::is_same_v<Op, Log> || std::is_same_v<Op, Sqrt>;

  static std::vector<SizeParameter> parameters() { return {{"count", 1 << 18}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0}, {1}, {31}, {33}, {127}, {1027}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = moderate<T>(element_count({{s["count"]}}), kPositive, p);
    Expected& y = p.result<T>({s["count"]});
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = make<Op>()(x[i]);
      if constexpr (std::is_same_v<Op, Affine>) {  // its terms may cancel
        y[i].magnitude = std::abs(make<Op>().scale * x[i]) + std::abs(make<Op>().shift);
      }
    }
  }
  template <class Exec, class T>
  static auto entry_point() {
    return &map_unary<Exec, Op, T>;
  }
  template <class Exec, class T>
  static auto ladder() {
    return map_unary_ladder<Exec, Op, T>();
  }
  template <class T, class Exec, class F>
  static void call(F* run, Exec& exec, const Sizes& s, Arguments& p) {
    run(exec, make<Op>(), p.at<const T>(0), p.at<T>(1), s["count"]);
  }
};

/// Results of four axes. Bit i of `a_repeats` says that a has size 1 along axis i, so that it
/// repeats there; b likewise.
template <class Op>
struct BinaryCase {
  static inline const char* kName = "";
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
  /// Where element `i` of the result finds an operand of these extents.
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
      y[i] = make<Op>()(a[place(result, of_a, element)], b[place(result, of_b, element)]);
    }
  }
  template <class Exec, class T>
  static auto entry_point() {
    return &map_binary<Exec, Op, T>;
  }
  template <class Exec, class T>
  static auto ladder() {
    return map_binary_ladder<Exec, Op, T>();
  }
  template <class T, class Exec, class F>
  static void call(F* run, Exec& exec, const Sizes& s, Arguments& p) {
    run(exec, make<Op>(), p.at<const T>(0), p.at<const T>(1), p.at<T>(2), plan(s));
  }
};

/// "ReluGrad" -> "relu_grad"
std::string snake_case(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') text += text.empty() ? "" : "_";
    text += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return text;
}

template <class Case>
EntryPoint named(const std::string& op) {
  EntryPoint entry = describe<Case, float, double>();
  entry.name = snake_case(op);
  entry.computes.replace(entry.computes.find("op"), 2, entry.name);
  return entry;
}

}  // namespace

Family elementwise_family() {
  Family family = {.name = "elementwise",
                   .sources = {"kernels/cuda/elementwise.cu"},
                   .page = "docs/kernels/elementwise.md",
                   .entry_points = {}};
#define SWITCHYARD_ADD_UNARY(Op) family.entry_points.push_back(named<UnaryCase<Op>>(#Op));
#define SWITCHYARD_ADD_BINARY(Op) family.entry_points.push_back(named<BinaryCase<Op>>(#Op));
  SWITCHYARD_UNARY_OPS(SWITCHYARD_ADD_UNARY)
  SWITCHYARD_BINARY_OPS(SWITCHYARD_ADD_BINARY)
  return family;
}

}  // namespace switchyard::kernels::workbench

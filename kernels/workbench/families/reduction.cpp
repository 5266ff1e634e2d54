#include "kernels/api/reduction.h"

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

/// Both sums share this. Operands lie around 2, so that nothing cancels and the error says how good
/// the summation is.
struct MiddleAxis {
  /// Sums are kept in double: in float32 only the last rounding is off.
  template <class T>
  static constexpr double kTolerance = sizeof(T) == 8 ? 1e-14 : 1e-7;

  static std::vector<SizeParameter> parameters() {
    return {{"outer", 8}, {"reduce", 512}, {"inner", 64}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{1, 1, 1},    {1, 0, 3},    {0, 3, 3},     {3, 3, 0},     {5, 31, 1},
            {1, 33, 127}, {3, 127, 33}, {1, 20001, 1}, {1, 3001, 3},  {1, 1201, 10},
            {2, 65, 64},  {257, 8, 1},  {700, 9, 1},   {1, 2100, 33}, {513, 1025, 1}};
  }
  template <class T>
  static const Numbers& around_two(const Sizes& s, Problem& p) {
    Numbers values = p.random_normal(element_count({{s["outer"], s["reduce"], s["inner"]}}));
    for (double& value : values) value += 2.0;
    return p.operand<T>(std::move(values));
  }
  /// Adds the result: sums of `terms` over the middle axis.
  template <class T>
  static void sum(const Sizes& s, const Numbers& terms, Problem& p) {
    Expected& y = p.result<T>({s["outer"], s["inner"]});
    std::vector<long double> totals(y.size());
    const auto inner = static_cast<std::size_t>(s["inner"]);
    const std::size_t stretch = static_cast<std::size_t>(s["reduce"]) * inner;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      totals[i / stretch * inner + i % inner] += terms[i];
    }
    y.assign(totals.begin(), totals.end());
  }
};

struct SumCase : MiddleAxis {
  static constexpr const char* kComputes =
      "y [outer, inner] = sums of x [outer, reduce, inner] over its middle axis";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    sum<T>(s, around_two<T>(s, p), p);
  }
  template <class T>
  static SumMiddle<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .y = p.at<T>(1),
            .outer = s["outer"],
            .reduce = s["reduce"],
            .inner = s["inner"]};
  }
};

struct ProductsCase : MiddleAxis {
  static constexpr const char* kComputes =
      "y [outer, inner] = sums of a * b, both [outer, reduce, inner], over the middle axis";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& a = around_two<T>(s, p);
    const Numbers& b = around_two<T>(s, p);
    Numbers products;
    for (std::size_t i = 0; i < a.size(); ++i) products.push_back(a[i] * b[i]);
    sum<T>(s, products, p);
  }
  template <class T>
  static SumProducts<T> arguments(const Sizes& s, Arguments& p) {
    return {.a = p.at<const T>(0),
            .b = p.at<const T>(1),
            .y = p.at<T>(2),
            .outer = s["outer"],
            .reduce = s["reduce"],
            .inner = s["inner"]};
  }
};

}  // namespace

Family reduction_family() {
  return {.name = "reduction",
          .sources = {"kernels/cuda/reduction.cu"},
          .page = "docs/kernels/reduction.md",
          .entry_points = {describe<SumCase, float, double, BFloat16>(),
                           describe<ProductsCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench

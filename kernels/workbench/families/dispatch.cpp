#include "kernels/api/routing.h"
#include "kernels/workbench/describe.h"
#include "kernels/workbench/routes.h"

namespace switchyard::kernels::workbench {
namespace {

/// The three faces of the routed form. Tokens go to random experts, of which every third is empty.
struct Routed {
  static std::vector<SizeParameter> parameters() {
    return {{"tokens", 1024}, {"k", 2, 1},     {"experts", 8, 1},
            {"width", 128},   {"capacity", 0}, {"weighted", 1, 0, 1}};
  }
  /// Rows that are no multiple of 16 bytes, then rows that are; dropped tokens; without weights.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 2, 4, 8, 0, 1},      {1, 1, 1, 1, 0, 1},      {31, 1, 4, 33, 0, 1},
            {127, 2, 7, 17, 0, 1},   {127, 2, 7, 17, 0, 0},   {1000, 2, 8, 3, 100, 1},
            {33, 4, 64, 127, 0, 1},  {5, 2, 8, 0, 0, 1},      {31, 2, 7, 33, 5, 0},
            {31, 1, 1, 4, 0, 1},     {1000, 2, 8, 8, 100, 1}, {127, 4, 160, 64, 1, 1},
            {127, 4, 160, 64, 1, 0}, {9, 2, 7, 132, 0, 1},    {3, 2, 4, 516, 0, 1},
            {0, 1, 1, 16, 0, 0}};
  }
  static Sorted route(const Sizes& s, Problem& p) {
    const std::int64_t assignments = element_count({{s["tokens"], s["k"]}});
    Sorted sorted = sort_by_expert(random_experts(p, assignments, s["experts"], 1), s["experts"],
                                   s["capacity"]);
    p.value(slots(sorted));
    return sorted;
  }
  static std::int64_t slots(const Sorted& sorted) { return sorted.offsets.back(); }
  template <class T>
  static Numbers weights(const Sizes& s, Problem& p) {
    if (s.flag("weighted")) return p.normal<ResultOf<T>>({s["tokens"], s["k"]});
    p.absent();
    return Numbers(static_cast<std::size_t>(s["tokens"] * s["k"]), 1.0);
  }
  /// Calls body(assignment, place in a token's row, place in its slot's row) for all that is kept.
  template <class Body>
  static void for_each_kept(const Sizes& s, const Indices& permutation, const Body& body) {
    for (std::size_t slot = 0; slot < permutation.size(); ++slot) {
      const std::int64_t a = permutation[slot];
      for (std::int64_t d = 0; d < s["width"]; ++d) {
        body(a, a / s["k"] * s["width"] + d, static_cast<std::int64_t>(slot) * s["width"] + d);
      }
    }
  }
  static RouteShape shape(const Sizes& s, const Arguments& p) {
    return {s["tokens"], s["k"], p.value(), s["width"]};
  }
};

struct DispatchCase : Routed {
  static constexpr const char* kComputes =
      "y [slots, width] = weight times x [tokens, width] of the slot's token";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Sorted sorted = route(s, p);
    p.indices(sorted.permutation);
    const Numbers& x = p.normal<T>({s["tokens"], s["width"]});
    const Numbers w = weights<T>(s, p);
    Expected& y = p.result<T>({slots(sorted), s["width"]});
    for_each_kept(
        s, sorted.permutation,
        [&](std::int64_t a, std::int64_t token, std::int64_t slot) { y[slot] = w[a] * x[token]; });
  }
  template <class T>
  static Dispatch<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s, p),
            .permutation = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .weights = p.at<const ResultOf<T>>(2),
            .y = p.at<T>(3)};
  }
};

struct CombineCase : Routed {
  static constexpr const char* kComputes =
      "y [tokens, width] = weighted sum of x [slots, width] over the token's slots";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Sorted sorted = route(s, p);
    p.indices(sorted.inverse);
    const Numbers& x = p.normal<T>({slots(sorted), s["width"]});
    const Numbers w = weights<T>(s, p);
    Expected& y = p.result<T>({s["tokens"], s["width"]});
    for_each_kept(
        s, sorted.permutation,
        [&](std::int64_t a, std::int64_t token, std::int64_t slot) { y[token] += w[a] * x[slot]; });
  }
  template <class T>
  static Combine<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s, p),
            .inverse = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .weights = p.at<const ResultOf<T>>(2),
            .y = p.at<T>(3)};
  }
};

struct WeightGradCase : Routed {
  static constexpr const char* kComputes =
      "gweights [tokens, k] = <gy [tokens, width], x [slots, width]> of token and slot, 0 if "
      "dropped";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Sorted sorted = route(s, p);
    p.indices(sorted.inverse);
    const Numbers& x = p.normal<T>({slots(sorted), s["width"]});
    const Numbers& gy = p.normal<T>({s["tokens"], s["width"]});
    Expected& gweights = p.result<ResultOf<T>>({s["tokens"], s["k"]});
    for_each_kept(s, sorted.permutation,
                  [&](std::int64_t a, std::int64_t token, std::int64_t slot) {
                    gweights[a] += gy[token] * x[slot];
                  });
  }
  template <class T>
  static CombineWeightGrad<T> arguments(const Sizes& s, Arguments& p) {
    return {.shape = shape(s, p),
            .inverse = p.at<const std::int64_t>(0),
            .x = p.at<const T>(1),
            .gy = p.at<const T>(2),
            .gweights = p.at<ResultOf<T>>(3)};
  }
};

}  // namespace

Family dispatch_family() {
  return {.name = "dispatch",
          .sources = {"kernels/cuda/dispatch.cu"},
          .page = "docs/kernels/dispatch.md",
          .entry_points = {describe<DispatchCase, float, double, BFloat16>(),
                           describe<CombineCase, float, double, BFloat16>(),
                           describe<WeightGradCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench

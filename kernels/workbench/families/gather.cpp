#include "kernels/api/routing.h"
#include "kernels/workbench/describe.h"
#include "kernels/workbench/routes.h"

namespace switchyard::kernels::workbench {
namespace {

/// Gather and its transpose share this: `k` columns of each token, some of them twice in a row.
struct Picks {
  static std::vector<SizeParameter> parameters() {
    return {{"tokens", 8192}, {"columns", 64, 1}, {"k", 2}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 2},   {1, 1, 1},    {31, 4, 2}, {127, 7, 1}, {1000, 8, 2}, {33, 64, 4},
            {9, 160, 3}, {5, 1000, 1}, {3, 2, 5},  {12, 8, 0},  {31, 7, 3}};
  }
  static const Indices& columns_of(const Sizes& s, Problem& p) {
    return p.indices(random_experts(p, element_count({{s["tokens"], s["k"]}}), s["columns"], 2));
  }
  template <template <class> class Kernel, class T>
  static Kernel<T> pick(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .indices = p.at<const std::int64_t>(1),
            .tokens = s["tokens"],
            .columns = s["columns"],
            .k = s["k"],
            .y = p.at<T>(2)};
  }
};

struct GatherCase : Picks {
  static constexpr const char* kComputes =
      "y [tokens, k] = the columns of x [tokens, columns] that `indices` names";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["tokens"], s["columns"]});
    const Indices& indices = columns_of(s, p);
    Expected& y = p.result<T>({s["tokens"], s["k"]});
    for (std::int64_t a = 0; a < s["tokens"] * s["k"]; ++a) {
      y[a] = x[a / s["k"] * s["columns"] + indices[a]];
    }
  }
  template <class T>
  static Gather<T> arguments(const Sizes& s, Arguments& p) {
    return pick<Gather, T>(s, p);
  }
};

struct ScatterCase : Picks {
  static constexpr const char* kComputes =
      "y [tokens, columns] = sums of x [tokens, k] in the columns that `indices` names";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["tokens"], s["k"]});
    const Indices& indices = columns_of(s, p);
    Expected& y = p.result<T>({s["tokens"], s["columns"]});
    for (std::int64_t a = 0; a < s["tokens"] * s["k"]; ++a) {
      y[a / s["k"] * s["columns"] + indices[a]] += x[a];
    }
  }
  template <class T>
  static ScatterAdd<T> arguments(const Sizes& s, Arguments& p) {
    return pick<ScatterAdd, T>(s, p);
  }
};

struct RangeCase {
  static constexpr const char* kComputes =
      "position of the first index outside [0, bound), or -1; one is planted at `bad`";

  static std::vector<SizeParameter> parameters() {
    return {{"count", 1 << 18}, {"bound", 64}, {"bad", (1 << 18) - 1, -1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, -1},   {0, 0, -1},   {1, 4, -1},      {1, 4, 0},       {2, 4, 1},  {31, 4, 15},
            {127, 4, -1}, {1000, 4, 0}, {1025, 4, 1024}, {4099, 4, 2049}, {33, 4, 32}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    Indices indices(static_cast<std::size_t>(element_count({{s["count"]}})), s["bound"] - 1);
    const std::int64_t bad = s["bad"] < s["count"] ? s["bad"] : -1;
    if (bad >= 0) {
      indices.back() = -1;  // the last one is bad as well, and must not be named before the first
      indices[static_cast<std::size_t>(bad)] = s["bound"];
    }
    p.indices(std::move(indices));
    p.lowest(s["bound"] == 0 && s["count"] > 0 ? 0 : bad);
  }
  template <class T>
  static FirstOutOfRange arguments(const Sizes& s, Arguments& p) {
    return {.indices = p.at<const T>(0),
            .count = s["count"],
            .bound = s["bound"],
            .position = p.lowest(1)};
  }
};

}  // namespace

Family gather_family() {
  return {.name = "gather",
          .sources = {"kernels/cuda/gather.cu"},
          .page = "docs/kernels/gather.md",
          .entry_points = {describe<GatherCase, float, double, BFloat16>(),
                           describe<ScatterCase, float, double, BFloat16>(),
                           describe<RangeCase, std::int64_t>()}};
}

}  // namespace switchyard::kernels::workbench

#include "kernels/api/route.h"

#include "kernels/workbench/gate_problem.h"
#include "kernels/workbench/routes.h"

namespace switchyard::kernels::workbench {
namespace {

struct RouteCase : GateProblem {
  static constexpr const char* kComputes =
      "a gate's experts and weights, and their stable sort by expert: offsets, permutation, "
      "inverse";

  /// order: 0 softmax over the kept, 1 over all, 2 over all and renormalised.
  static std::vector<SizeParameter> parameters() {
    return {
        {"tokens", 2048}, {"experts", 64, 1}, {"k", 2, 1}, {"order", 0, 0, 2}, {"noisy", 0, 0, 1}};
  }
  /// No and one token; lanes that share a warp; one expert; k = experts; more chunks than one, and
  /// than there are; more experts than registers hold.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 2, 0, 0},   {1, 1, 1, 0, 0},     {1, 7, 7, 1, 1},     {31, 4, 4, 0, 0},
            {5, 3, 2, 2, 1},   {127, 7, 2, 0, 1},   {65, 8, 2, 1, 0},    {33, 16, 3, 2, 0},
            {33, 33, 4, 1, 1}, {257, 160, 8, 0, 0}, {3, 160, 160, 2, 0}, {300, 256, 1, 0, 1},
            {5, 300, 3, 2, 1}, {1025, 8, 1, 0, 0},  {1500, 20, 3, 0, 0}, {5000, 3, 2, 0, 0}};
  }
  /// Few and many tokens, for the rungs that are made for them.
  static std::vector<std::vector<std::int64_t>> standard_sizes() {
    return {{128, 64, 2, 0, 0}, {2048, 64, 2, 0, 0}};
  }

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Sorted sorted = sort_by_expert(choose<T>(s, p).experts, s["experts"], 0);
    for (const Indices& expected : {sorted.offsets, sorted.permutation, sorted.inverse}) {
      Expected& result = p.result<std::int64_t>({static_cast<std::int64_t>(expected.size())});
      result.assign(expected.begin(), expected.end());
    }
  }
  template <class T>
  static Route<T> arguments(const Sizes& s, Arguments& p) {
    return {.gate = gate<T>(s, p),
            .offsets = p.at<std::int64_t>(5),
            .permutation = p.at<std::int64_t>(6),
            .inverse = p.at<std::int64_t>(7)};
  }
};

}  // namespace

Family route_family() {
  return {.name = "route",
          .sources = {"kernels/cuda/route.cu"},
          .page = "docs/kernels/route.md",
          .entry_points = {describe<RouteCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench

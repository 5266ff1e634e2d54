#include "kernels/api/routing.h"
#include "kernels/workbench/describe.h"
#include "kernels/workbench/routes.h"

namespace switchyard::kernels::workbench {
namespace {

/// Both share this. There are only indices, so everything is exact.
struct Assignments {
  static std::vector<SizeParameter> parameters() {
    return {{"assignments", 16384}, {"experts", 64, 1}, {"capacity", 0}, {"skew", 1, 0, 1000}};
  }
  /// None; one; one expert; odd numbers; dropped ones; hot experts over several chunks; a whole
  /// chunk; more experts than threads.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 0, 1},       {1, 1, 0, 0},        {1000, 1, 0, 0},     {31, 4, 0, 2},
            {254, 7, 0, 1},     {33, 8, 3, 2},       {2000, 8, 100, 2},   {4000, 64, 0, 3},
            {4000, 160, 20, 2}, {2500, 64, 0, 1000}, {2500, 64, 7, 1000}, {2048, 7, 0, 1},
            {100, 300, 0, 1}};
  }
  static Indices experts_of(const Sizes& s, Problem& p) {
    return random_experts(p, s["assignments"], s["experts"], s["skew"]);
  }
};

void add_result(Problem& p, const Indices& expected) {
  Expected& result = p.result<std::int64_t>({static_cast<std::int64_t>(expected.size())});
  result.assign(expected.begin(), expected.end());
}

struct OffsetsCase : Assignments {
  static constexpr const char* kComputes =
      "offsets [experts + 1] of each expert's segment, at most `capacity` long (0: any)";
  /// Adds more experts than the counters of a block hold.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    auto sizes = Assignments::odd_sizes();
    sizes.push_back({500, 12289, 2, 3});
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Indices& experts = p.indices(experts_of(s, p));
    add_result(p, sort_by_expert(experts, s["experts"], s["capacity"]).offsets);
  }
  template <class T>
  static SegmentOffsets arguments(const Sizes& s, Arguments& p) {
    return {.indices = p.at<const T>(0),
            .assignments = s["assignments"],
            .experts = s["experts"],
            .capacity = s["capacity"],
            .offsets = p.at<T>(1)};
  }
};

struct SortCase : Assignments {
  static constexpr const char* kComputes =
      "permutation (slot -> assignment) and inverse of the stable sort by expert";
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    auto sizes = Assignments::odd_sizes();
    sizes.push_back({100, 1537, 2, 3});
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Indices& experts = p.indices(experts_of(s, p));
    Sorted sorted = sort_by_expert(experts, s["experts"], s["capacity"]);
    p.indices(std::move(sorted.offsets));
    add_result(p, sorted.permutation);
    add_result(p, sorted.inverse);
  }
  template <class T>
  static SortAssignments arguments(const Sizes& s, Arguments& p) {
    return {.indices = p.at<const T>(0),
            .assignments = s["assignments"],
            .experts = s["experts"],
            .offsets = p.at<const T>(1),
            .permutation = p.at<T>(2),
            .inverse = p.at<T>(3)};
  }
};

}  // namespace

Family sort_assignments_family() {
  return {
      .name = "sort_assignments",
      .sources = {"kernels/cuda/segment_offsets.cu", "kernels/cuda/sort_assignments.cu"},
      .page = "docs/kernels/sort_assignments.md",
      .entry_points = {describe<OffsetsCase, std::int64_t>(), describe<SortCase, std::int64_t>()}};
}

}  // namespace switchyard::kernels::workbench

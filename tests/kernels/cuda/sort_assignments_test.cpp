#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/api/routing.h"
#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::Simt;
using Indices = std::vector<std::int64_t>;
using kernels::SegmentOffsets;
using kernels::SortAssignments;

constexpr std::int64_t kUnwritten = -99;

/// Assignments to experts, and how many an expert takes (0: any number).
struct Case {
  std::int64_t experts, capacity;
  Indices indices;
};

/// The larger `skew`, the more assignments go to low experts.
Indices random_experts(std::int64_t assignments, std::int64_t experts, double skew = 1.0) {
  Indices indices;
  const auto normal = random_tensor({assignments}, 6).to_doubles();
  for (const double v : normal) {
    const double uniform = std::erfc(v * std::sqrt(0.5)) / 2.0;
    indices.push_back(std::min(
        experts - 1, static_cast<std::int64_t>(std::pow(uniform, skew) * double(experts))));
  }
  return indices;
}

struct Sorted {
  Indices offsets, permutation, inverse;
  bool operator==(const Sorted&) const = default;
};

/// Lists every assignment in order, expert by expert.
Sorted plain_sort(const Case& c) {
  Sorted s = {{0}, {}, Indices(c.indices.size(), -1)};
  for (std::int64_t e = 0; e < c.experts; ++e) {
    for (std::size_t a = 0; a < c.indices.size(); ++a) {
      const auto slot = static_cast<std::int64_t>(s.permutation.size());
      if (c.indices[a] != e || (c.capacity > 0 && slot - s.offsets.back() == c.capacity)) continue;
      s.permutation.push_back(static_cast<std::int64_t>(a));
      s.inverse[a] = slot;
    }
    s.offsets.push_back(static_cast<std::int64_t>(s.permutation.size()));
  }
  return s;
}

Indices contents(GuardedBuffer<std::int64_t>& buffer) {
  const auto values = buffer.values();
  return {values.begin(), values.end()};
}

Indices run_offsets(const Case& c) {
  GuardedBuffer<std::int64_t> offsets(c.experts + 1);
  std::fill_n(offsets.data(), c.experts + 1, kUnwritten);
  Simt simt;
  kernels::run(simt, SegmentOffsets{.indices = c.indices.data(),
                                    .assignments = static_cast<std::int64_t>(c.indices.size()),
                                    .experts = c.experts,
                                    .capacity = c.capacity,
                                    .offsets = offsets.data()});
  return contents(offsets);
}

/// Sorts into the segments `offsets`.
Sorted run_sort(const Case& c, const Indices& offsets) {
  const auto assignments = static_cast<std::int64_t>(c.indices.size());
  GuardedBuffer<std::int64_t> permutation(offsets.back());
  GuardedBuffer<std::int64_t> inverse(assignments);
  std::fill_n(permutation.data(), offsets.back(), kUnwritten);
  std::fill_n(inverse.data(), assignments, kUnwritten);
  Simt simt;
  kernels::run(simt, SortAssignments{.indices = c.indices.data(),
                                     .assignments = assignments,
                                     .experts = c.experts,
                                     .offsets = offsets.data(),
                                     .permutation = permutation.data(),
                                     .inverse = inverse.data()});
  return {offsets, contents(permutation), contents(inverse)};
}

TEST(CudaSortAssignments, SameAnswerOnAnyNumberOfThreads) {
  const Case c = {8, 900, random_experts(9000, 8, 2.0)};
  const Sorted expected = plain_sort(c);
  for_thread_counts([&] {
    EXPECT_EQ(run_offsets(c), expected.offsets);
    EXPECT_EQ(run_sort(c, expected.offsets), expected);
  });
}

/// Expects a refusal that begins with the rung's name.
template <class Op>
void expect_refused(const kernels::Rung<Simt, Op>& rung, const Op& arguments,
                    std::string_view part) {
  Simt simt;
  const std::string text =
      error_text<kernels::Refusal>([&] { kernels::run_rung(simt, rung, arguments); });
  EXPECT_EQ(text.find(fmt::format("[{}] ", rung.name)), 0U) << text;
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(CudaSortAssignments, SizesAVariantDoesNotTakeAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  for (const auto& [assignments, experts, part] :
       std::vector<std::tuple<std::int64_t, std::int64_t, std::string>>{
           {kMany, 4, "assignments of 2147483648"}, {4, kMany, "experts of 2147483648"}}) {
    for (const auto& rung : kernels::ladder<Simt, SegmentOffsets>()) {
      const SegmentOffsets a = {.assignments = assignments, .experts = experts};
      expect_refused(rung, a, rung.takes(a) ? part : rung.takes.text);
    }
    for (const auto& rung : kernels::ladder<Simt, SortAssignments>()) {
      const SortAssignments a = {.assignments = assignments, .experts = experts};
      expect_refused(rung, a, rung.takes(a) ? part : rung.takes.text);
    }
  }
  const auto& offsets = kernels::ladder<Simt, SegmentOffsets>().back();
  expect_refused(offsets, {.assignments = 4, .experts = 12289}, "at most 12288 experts");
  const auto& sort = kernels::ladder<Simt, SortAssignments>().back();
  expect_refused(sort, {.assignments = 4, .experts = 1537}, "at most 1536 experts");
}

}  // namespace
}  // namespace switchyard::test

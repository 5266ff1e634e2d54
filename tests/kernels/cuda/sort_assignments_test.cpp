#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/api/routing.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::Simt;
using Indices = std::vector<std::int64_t>;
using Sort = kernels::SortAssignmentsFunction<Simt>;
using Offsets = kernels::SegmentOffsetsFunction<Simt>;

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

/// Expert by expert, every assignment in order.
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

Indices run_offsets(Offsets* run, const Case& c) {
  GuardedBuffer<std::int64_t> offsets(c.experts + 1);
  std::fill_n(offsets.data(), c.experts + 1, kUnwritten);
  Simt simt;
  run(simt, c.indices.data(), static_cast<std::int64_t>(c.indices.size()), c.experts, c.capacity,
      offsets.data());
  return contents(offsets);
}

/// Sorts into the segments `offsets`.
Sorted run_sort(Sort* run, const Case& c, const Indices& offsets) {
  const auto assignments = static_cast<std::int64_t>(c.indices.size());
  GuardedBuffer<std::int64_t> permutation(offsets.back());
  GuardedBuffer<std::int64_t> inverse(assignments);
  std::fill_n(permutation.data(), offsets.back(), kUnwritten);
  std::fill_n(inverse.data(), assignments, kUnwritten);
  Simt simt;
  run(simt, c.indices.data(), assignments, c.experts, offsets.data(), permutation.data(),
      inverse.data());
  return {offsets, contents(permutation), contents(inverse)};
}

TEST(CudaSortAssignments, SameAnswerOnAnyNumberOfThreads) {
  const Case c = {8, 900, random_experts(9000, 8, 2.0)};
  const Sorted expected = plain_sort(c);
  for_thread_counts([&] {
    EXPECT_EQ(run_offsets(kernels::segment_offsets<Simt>, c), expected.offsets);
    EXPECT_EQ(run_sort(kernels::sort_assignments<Simt>, c, expected.offsets), expected);
  });
}

/// Expects a refusal that begins with the variant's name.
template <class Call>
void expect_refused(const Call& call, std::string_view variant, const std::string& part) {
  const std::string text = error_text<std::invalid_argument>(call);
  EXPECT_EQ(text.find(fmt::format("[{}] ", variant)), 0U) << text;
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(CudaSortAssignments, SizesAVariantDoesNotTakeAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  Simt simt;
  for (const auto& [assignments, experts, part] :
       std::vector<std::tuple<std::int64_t, std::int64_t, std::string>>{
           {kMany, 4, "assignments of 2147483648"}, {4, kMany, "experts of 2147483648"}}) {
    for (const auto& v : kernels::segment_offsets_ladder<Simt>()) {
      expect_refused([&] { v.run(simt, nullptr, assignments, experts, 0, nullptr); }, v.name, part);
    }
    for (const auto& v : kernels::sort_assignments_ladder<Simt>()) {
      expect_refused([&] { v.run(simt, nullptr, assignments, experts, nullptr, nullptr, nullptr); },
                     v.name, part);
    }
  }
  const auto& offsets = kernels::segment_offsets_ladder<Simt>().back();
  expect_refused([&] { offsets.run(simt, nullptr, 4, 12289, 0, nullptr); }, offsets.name,
                 offsets.needs.data());
  const auto& sort = kernels::sort_assignments_ladder<Simt>().back();
  expect_refused([&] { sort.run(simt, nullptr, 4, 1537, nullptr, nullptr, nullptr); }, sort.name,
                 sort.needs.data());
}

}  // namespace
}  // namespace switchyard::test

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
  const char* name;
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

/// Every third expert gets nothing.
Indices with_empty_experts(Indices indices) {
  for (std::int64_t& e : indices) e -= e % 3 == 2 ? 1 : 0;
  return indices;
}

std::vector<Case> cases() {
  std::vector<Case> list = {
      {"no tokens", 4, 0, {}},
      {"one assignment, one expert", 1, 0, {0}},
      {"one expert", 1, 0, Indices(1000, 0)},
      {"31 x 1 on 4", 4, 0, random_experts(31, 4)},
      {"127 x 2 on 7", 7, 0, random_experts(254, 7)},
      {"1000 x 2 on 8, capacity 100", 8, 100, random_experts(2000, 8, 2.0)},
      {"1000 x 4 on 64, skewed, empty", 64, 0, with_empty_experts(random_experts(4000, 64, 3.0))},
      {"1000 x 4 on 160, capacity 20", 160, 20, random_experts(4000, 160, 2.0)},
      {"one hot expert of 64, several chunks", 64, 0, Indices(2500, 63)},
      {"one hot expert, capacity 7", 64, 7, Indices(2500, 3)},
      {"a whole chunk", 7, 0, random_experts(2048, 7)},
      {"more experts than threads", 300, 0, random_experts(100, 300)}};
  return list;
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

TEST(CudaSegmentOffsets, EveryVariantMatchesPlainLoops) {
  for (const auto& variant : kernels::segment_offsets_ladder<Simt>()) {
    for (const Case& c : cases()) {
      SCOPED_TRACE(fmt::format("{}, {}", variant.name, c.name));
      EXPECT_EQ(run_offsets(variant.run, c), plain_sort(c).offsets);
    }
  }
}

TEST(CudaSegmentOffsets, EntryPointTakesMoreExpertsThanCountersFit) {
  for (const std::int64_t experts : {8, 12289}) {
    const Case c = {"", experts, 2, random_experts(500, experts, 3.0)};
    EXPECT_EQ(run_offsets(kernels::segment_offsets<Simt>, c), plain_sort(c).offsets);
  }
}

TEST(CudaSortAssignments, EveryVariantIsAStableSort) {
  for (const auto& variant : kernels::sort_assignments_ladder<Simt>()) {
    for (const Case& c : cases()) {
      SCOPED_TRACE(fmt::format("{}, {}", variant.name, c.name));
      const Sorted expected = plain_sort(c);
      EXPECT_EQ(run_sort(variant.run, c, expected.offsets), expected);
    }
  }
}

TEST(CudaSortAssignments, EntryPointTakesMoreExpertsThanCountersFit) {
  for (const std::int64_t experts : {8, 1537}) {
    const Case c = {"", experts, 2, random_experts(100, experts, 3.0)};
    const Sorted expected = plain_sort(c);
    EXPECT_EQ(run_sort(kernels::sort_assignments<Simt>, c, expected.offsets), expected);
  }
}

TEST(CudaSortAssignments, SameAnswerOnAnyNumberOfThreads) {
  const Case c = {"", 8, 900, random_experts(9000, 8, 2.0)};
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

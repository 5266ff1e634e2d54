#include "kernels/api/routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::RouteShape;
using Indices = std::vector<std::int64_t>;

constexpr std::int64_t kUnwritten = -99;
constexpr kernels::LowestNumber kNone = ~kernels::LowestNumber{0};

struct TopK {
  Indices indices;
  std::int64_t bad_row;
};

template <class T>
TopK top_k(const std::vector<T>& logits, std::int64_t experts, std::int64_t k) {
  const std::int64_t tokens = static_cast<std::int64_t>(logits.size()) / experts;
  Indices indices(static_cast<std::size_t>(tokens * k), kUnwritten);
  Cpu cpu;
  kernels::LowestNumber bad = kNone;
  run(cpu, kernels::TopK<T>{logits.data(), tokens, experts, k, indices.data(), &bad});
  return {indices, static_cast<std::int64_t>(bad)};
}

/// The k first of a stable descending sort.
Indices sorted_top_k(const std::vector<double>& logits, std::int64_t experts, std::int64_t k) {
  Indices result;
  for (auto row = logits.begin(); row != logits.end(); row += experts) {
    Indices order(static_cast<std::size_t>(experts));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return row[a] > row[b]; });
    result.insert(result.end(), order.begin(), order.begin() + k);
  }
  return result;
}

TEST(TopKKernel, MatchesAStableSort) {
  for (const auto& [tokens, experts, k] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {33, 7, 3}, {127, 8, 8}, {5000, 16, 2}, {31, 160, 8}, {0, 4, 2}}) {
    const Tensor logits = random_tensor({tokens, experts}, 4);
    std::vector<double> coarse = logits.to_doubles();  // few distinct values: many ties
    for (double& v : coarse) v = std::round(2 * v) / 2;
    const std::vector<float> coarse32(coarse.begin(), coarse.end());
    const TopK got = top_k(coarse, experts, k);
    EXPECT_EQ(got.indices, sorted_top_k(coarse, experts, k));
    EXPECT_EQ(got.bad_row, -1);
    EXPECT_EQ(top_k(coarse32, experts, k).indices, got.indices);
  }
}

TEST(TopKKernel, ReportsTheFirstRowThatCannotBeRanked) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(top_k<double>({1, 2, -inf, 3, -inf, -inf, nan, 0}, 2, 1).bad_row, 2);
  EXPECT_EQ(top_k<double>({1, 2, nan, 3, -inf, -inf}, 2, 2).bad_row, 1);
  const TopK infinite = top_k<double>({-inf, inf, -inf, 0, -inf, -1}, 3, 3);
  EXPECT_EQ(infinite.bad_row, -1);
  EXPECT_EQ(infinite.indices, (Indices{1, 0, 2, 0, 2, 1}));
}

TEST(IndexRangeKernel, FindsTheFirstIndexOutside) {
  Cpu cpu;
  Indices indices(100000, 3);
  const auto count = static_cast<std::int64_t>(indices.size());
  const auto first_outside = [&](std::int64_t how_many, std::int64_t bound) {
    kernels::LowestNumber position = kNone;
    run(cpu, kernels::FirstOutOfRange{indices.data(), how_many, bound, &position});
    return static_cast<std::int64_t>(position);
  };
  EXPECT_EQ(first_outside(count, 4), -1);
  EXPECT_EQ(first_outside(count, 3), 0);
  indices[70000] = -1;
  indices[50001] = 4;
  EXPECT_EQ(first_outside(count, 4), 50001);
  EXPECT_EQ(first_outside(0, 0), -1);
}

TEST(GatherKernels, PickAndAddAlongRows) {
  Cpu cpu;
  const std::vector<float> x = {0, 1, 2, 3, 4, 5};  // [2, 3]
  const Indices indices = {2, 0, 1, 1};             // [2, 2]
  GuardedBuffer<float> y(4);
  run(cpu, kernels::Gather<float>{x.data(), indices.data(), 2, 3, 2, y.data()});
  EXPECT_EQ(y.values(), (std::vector<double>{2, 0, 4, 4}));
  const std::vector<float> back = {10, 20, 30, 40};
  GuardedBuffer<float> sums(6);
  run(cpu, kernels::ScatterAdd<float>{back.data(), indices.data(), 2, 3, 2, sums.data()});
  EXPECT_EQ(sums.values(), (std::vector<double>{20, 0, 10, 0, 70, 0}));
}

struct Sorted {
  Indices offsets, permutation, inverse;
};

Sorted sort_by_expert(const Indices& indices, std::int64_t experts, std::int64_t capacity) {
  Cpu cpu;
  const auto assignments = static_cast<std::int64_t>(indices.size());
  Sorted s = {Indices(static_cast<std::size_t>(experts) + 1, kUnwritten),
              {},
              Indices(indices.size(), kUnwritten)};
  run(cpu,
      kernels::SegmentOffsets{indices.data(), assignments, experts, capacity, s.offsets.data()});
  s.permutation.assign(static_cast<std::size_t>(s.offsets.back()), kUnwritten);
  run(cpu, kernels::SortAssignments{indices.data(), assignments, experts, s.offsets.data(),
                                    s.permutation.data(), s.inverse.data()});
  return s;
}

TEST(SortKernels, ExpertsAscendAndTokensAscendWithinOne) {
  // Three tokens, two choices each; expert 1 is empty.
  const Sorted s = sort_by_expert({2, 0, 0, 2, 3, 2}, 4, 0);
  EXPECT_EQ(s.offsets, (Indices{0, 2, 2, 5, 6}));
  EXPECT_EQ(s.permutation, (Indices{1, 2, 0, 3, 5, 4}));
  EXPECT_EQ(s.inverse, (Indices{2, 0, 1, 3, 5, 4}));
}

TEST(SortKernels, CapacityDropsTheLastOfTheBatch) {
  const Sorted s = sort_by_expert({2, 0, 0, 2, 3, 2}, 4, 1);
  EXPECT_EQ(s.offsets, (Indices{0, 1, 1, 2, 3}));
  EXPECT_EQ(s.permutation, (Indices{1, 0, 4}));
  EXPECT_EQ(s.inverse, (Indices{1, 0, -1, -1, 2, -1}));
}

TEST(SortKernels, NoTokens) {
  const Sorted s = sort_by_expert({}, 2, 0);
  EXPECT_EQ(s.offsets, (Indices{0, 0, 0}));
}

/// The three faces of the routed form on random data, one number list each.
struct Faces {
  std::vector<double> dispatched, plain_dispatched, combined, plain_combined, weight_grad;
  bool operator==(const Faces&) const = default;
};

struct Route {
  RouteShape shape;
  Sorted sorted;
};

Route random_route(std::int64_t tokens, std::int64_t k, std::int64_t experts, std::int64_t width) {
  const Tensor logits = random_tensor({tokens, experts}, 5);
  const Sorted sorted =
      sort_by_expert(top_k(logits.to_doubles(), experts, k).indices, experts, 1 + tokens / experts);
  return {{tokens, k, sorted.offsets.back(), width}, sorted};
}

struct Operands {
  Tensor tokens, slots, weights;

  Operands(const RouteShape& s, DType dtype)
      : tokens(random_tensor({s.tokens * s.width}, 1, dtype)),
        slots(random_tensor({s.slots * s.width}, 2, dtype)),
        weights(random_tensor({s.tokens * s.k}, 3, dtype)) {}
};

template <class T>
Faces kernel_faces(const Route& route) {
  const RouteShape& s = route.shape;
  const Operands in(s, kDTypeOf<T>);
  const T* none = nullptr;
  Cpu cpu;
  GuardedBuffer<T> dispatched(s.slots * s.width);
  GuardedBuffer<T> plain_dispatched(s.slots * s.width);
  GuardedBuffer<T> combined(s.tokens * s.width);
  GuardedBuffer<T> plain_combined(s.tokens * s.width);
  GuardedBuffer<T> grad(s.tokens * s.k);
  const auto* permutation = route.sorted.permutation.data();
  const auto* inverse = route.sorted.inverse.data();
  const auto* weights = in.weights.data<T>();
  const auto* tokens = in.tokens.data<T>();
  const auto* slots = in.slots.data<T>();
  run(cpu, kernels::Dispatch<T>{s, permutation, tokens, weights, dispatched.data()});
  run(cpu, kernels::Dispatch<T>{s, permutation, tokens, none, plain_dispatched.data()});
  run(cpu, kernels::Combine<T>{s, inverse, slots, weights, combined.data()});
  run(cpu, kernels::Combine<T>{s, inverse, slots, none, plain_combined.data()});
  run(cpu, kernels::CombineWeightGrad<T>{s, inverse, slots, tokens, grad.data()});
  return {dispatched.values(), plain_dispatched.values(), combined.values(),
          plain_combined.values(), grad.values()};
}

Faces plain_loops(const Route& route, DType dtype) {
  const RouteShape& s = route.shape;
  const Operands in(s, dtype);
  const auto tokens = in.tokens.to_doubles();
  const auto slots = in.slots.to_doubles();
  const auto weights = in.weights.to_doubles();
  Faces f = {std::vector<double>(slots.size()), std::vector<double>(slots.size()),
             std::vector<double>(tokens.size()), std::vector<double>(tokens.size()),
             std::vector<double>(weights.size())};
  const auto width = static_cast<std::size_t>(s.width);
  for (std::size_t slot = 0; slot < route.sorted.permutation.size(); ++slot) {
    const auto assignment = static_cast<std::size_t>(route.sorted.permutation[slot]);
    const std::size_t token = assignment / static_cast<std::size_t>(s.k);
    for (std::size_t d = 0; d < width; ++d) {
      const std::size_t at_slot = slot * width + d;
      const std::size_t at_token = token * width + d;
      f.dispatched[at_slot] = weights[assignment] * tokens[at_token];
      f.plain_dispatched[at_slot] = tokens[at_token];
      f.combined[at_token] += weights[assignment] * slots[at_slot];
      f.plain_combined[at_token] += slots[at_slot];
      f.weight_grad[assignment] += tokens[at_token] * slots[at_slot];
    }
  }
  return f;
}

template <class T>
void expect_faces_match_plain_loops(const Route& route) {
  const Faces got = kernel_faces<T>(route);
  const Faces want = plain_loops(route, kDTypeOf<T>);
  EXPECT_LE(relative_error(got.dispatched, want.dispatched), tolerance(kDTypeOf<T>));
  EXPECT_EQ(got.plain_dispatched, want.plain_dispatched);
  EXPECT_LE(relative_error(got.combined, want.combined), tolerance(kDTypeOf<T>));
  EXPECT_LE(relative_error(got.plain_combined, want.plain_combined), tolerance(kDTypeOf<T>));
  EXPECT_LE(relative_error(got.weight_grad, want.weight_grad), tolerance(kDTypeOf<T>));
}

TEST(DispatchCombineKernels, MatchPlainLoopsOnAnyNumberOfThreads) {
  for (const auto& [tokens, k, experts, width] :
       std::vector<std::array<std::int64_t, 4>>{{1, 1, 1, 1},
                                                {33, 3, 7, 31},
                                                {127, 2, 8, 128},
                                                {600, 2, 4, 64},
                                                {0, 2, 4, 8},
                                                {5, 1, 2, 0}}) {
    const Route route = random_route(tokens, k, experts, width);
    SCOPED_TRACE(tokens);
    expect_faces_match_plain_loops<double>(route);
    expect_faces_match_plain_loops<float>(route);
    const int before = kernels::thread_count();
    kernels::set_thread_count(1);
    const Faces one = kernel_faces<float>(route);
    kernels::set_thread_count(3);
    EXPECT_EQ(kernel_faces<float>(route), one);
    kernels::set_thread_count(before);
  }
}

}  // namespace
}  // namespace switchyard::test

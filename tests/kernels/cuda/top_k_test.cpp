#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
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

struct Sizes {
  std::int64_t tokens, experts, k;
};

/// Random logits of few distinct values, so that there are many ties.
template <class T>
std::vector<T> coarse_logits(const Sizes& s) {
  std::vector<T> logits;
  for (const double v : random_tensor({s.tokens, s.experts}, 11).to_doubles()) {
    logits.push_back(static_cast<T>(std::round(3 * v) / 3));
  }
  return logits;
}

/// The k first of a stable descending sort.
template <class T>
std::vector<double> sorted_top_k(const std::vector<T>& logits, const Sizes& s) {
  std::vector<double> result;
  for (std::int64_t t = 0; t < s.tokens; ++t) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(s.experts));
    std::iota(order.begin(), order.end(), 0);
    const T* const row = logits.data() + t * s.experts;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return row[a] > row[b]; });
    result.insert(result.end(), order.begin(), order.begin() + s.k);
  }
  return result;
}

struct Result {
  std::vector<double> indices;
  std::int64_t bad_row;
};

template <class T>
Result run_top_k(kernels::TopKFunction<Simt, T>* run, const std::vector<T>& logits,
                 const Sizes& s) {
  GuardedBuffer<std::int64_t> indices(s.tokens * s.k);
  std::fill_n(indices.data(), s.tokens * s.k, -99);
  Simt simt;
  const std::int64_t bad = run(simt, logits.data(), s.tokens, s.experts, s.k, indices.data());
  return {indices.values(), bad};
}

template <class T>
void expect_sorted(kernels::TopKFunction<Simt, T>* run, const Sizes& s) {
  SCOPED_TRACE(fmt::format("{} tokens, {} experts, k {}", s.tokens, s.experts, s.k));
  const std::vector<T> logits = coarse_logits<T>(s);
  const Result got = run_top_k(run, logits, s);
  EXPECT_EQ(got.indices, sorted_top_k(logits, s));
  EXPECT_EQ(got.bad_row, -1);
}

template <class T>
class CudaTopK : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaTopK, RealTypes);

TYPED_TEST(CudaTopK, EveryVariantMatchesAStableSort) {
  const std::vector<Sizes> cases = {{0, 4, 2},    {1, 1, 1},   {31, 4, 4},   {127, 7, 2},
                                    {1000, 8, 2}, {33, 64, 4}, {31, 160, 8}, {3, 160, 160},
                                    {5, 100, 33}, {9, 256, 1}};
  for (const auto& variant : kernels::top_k_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    for (const Sizes& s : cases) expect_sorted<TypeParam>(variant.run, s);
    if (variant.needs.empty()) expect_sorted<TypeParam>(variant.run, {5, 300, 3});
  }
}

TYPED_TEST(CudaTopK, EntryPointTakesAnyNumberOfExperts) {
  for (const Sizes& s : {Sizes{33, 8, 2}, Sizes{4, 257, 2}}) {
    expect_sorted<TypeParam>(kernels::top_k<Simt, TypeParam>, s);
  }
}

TYPED_TEST(CudaTopK, ReportsTheLowestRowThatCannotBeRanked) {
  constexpr auto kNan = std::numeric_limits<TypeParam>::quiet_NaN();
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const Sizes s = {500, 40, 3};
  std::vector<TypeParam> clean = coarse_logits<TypeParam>(s);
  std::vector<TypeParam> logits = clean;
  const auto at = [&](std::int64_t row, std::int64_t expert) {
    return logits.begin() + row * s.experts + expert;
  };
  *at(499, 0) = kNan;
  *at(222, 39) = kNan;
  std::fill(at(77, 0), at(78, 0), -kInf);
  for (const auto& variant : kernels::top_k_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    EXPECT_EQ(run_top_k(variant.run, logits, s).bad_row, 77);
    std::vector<TypeParam> late = logits;
    std::copy_n(clean.begin() + 77 * s.experts, s.experts, late.begin() + 77 * s.experts);
    EXPECT_EQ(run_top_k(variant.run, late, s).bad_row, 222);
  }
}

TYPED_TEST(CudaTopK, InfiniteLogitsRankAndBadRowsNameNoExpertTwice) {
  constexpr auto kNan = std::numeric_limits<TypeParam>::quiet_NaN();
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const std::vector<TypeParam> infinite = {-kInf, kInf, -kInf, 0, -kInf, -1, kInf, kInf, 0};
  const std::vector<TypeParam> bad = {kNan, 1, kNan, -kInf, -kInf, -kInf, kNan, kNan, kNan};
  for (const auto& variant : kernels::top_k_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    const Result ranked = run_top_k(variant.run, infinite, {3, 3, 3});
    EXPECT_EQ(ranked.bad_row, -1);
    EXPECT_EQ(ranked.indices, (std::vector<double>{1, 0, 2, 0, 2, 1, 0, 1, 2}));
    const Result reported = run_top_k(variant.run, bad, {3, 3, 3});
    EXPECT_EQ(reported.bad_row, 0);
    EXPECT_EQ(reported.indices, (std::vector<double>{1, 0, 2, 0, 1, 2, 0, 1, 2}));
  }
}

TYPED_TEST(CudaTopK, SameAnswerOnAnyNumberOfThreads) {
  const Sizes s = {1000, 8, 2};
  std::vector<TypeParam> logits = coarse_logits<TypeParam>(s);
  for (std::size_t i = 600; i < logits.size(); i += 100) {
    logits[i] = std::numeric_limits<TypeParam>::quiet_NaN();
  }
  for_thread_counts([&] {
    EXPECT_EQ(run_top_k(kernels::top_k<Simt, TypeParam>, logits, s).bad_row, 600 / s.experts);
  });
}

TYPED_TEST(CudaTopK, SizesAVariantDoesNotTakeAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  const TypeParam* const nothing = nullptr;
  Simt simt;
  for (const auto& variant : kernels::top_k_ladder<Simt, TypeParam>()) {
    const auto refused = [&](std::int64_t tokens, std::int64_t experts, const char* part) {
      const std::string text = error_text<std::invalid_argument>(
          [&] { variant.run(simt, nothing, tokens, experts, 1, nullptr); });
      EXPECT_EQ(text.find(fmt::format("[{}] ", variant.name)), 0U) << text;
      EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    refused(1, kMany, variant.needs.empty() ? "experts of 2147483648" : "at most 256 experts");
    refused(std::int64_t{1} << 40, 4, "blocks of ");
  }
}

}  // namespace
}  // namespace switchyard::test

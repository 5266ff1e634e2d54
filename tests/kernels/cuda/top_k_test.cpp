#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
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

struct Result {
  std::vector<double> indices;
  std::int64_t bad_row;
};

/// `run` is called with an executor and the kernel's arguments.
template <class Run, class T>
Result run_top_k(const Run& run, const std::vector<T>& logits, const Sizes& s) {
  GuardedBuffer<std::int64_t> indices(s.tokens * s.k);
  std::fill_n(indices.data(), s.tokens * s.k, -99);
  kernels::LowestNumber bad = ~kernels::LowestNumber{0};
  Simt simt;
  run(simt, kernels::TopK<T>{.logits = logits.data(),
                             .tokens = s.tokens,
                             .experts = s.experts,
                             .k = s.k,
                             .indices = indices.data(),
                             .bad_row = &bad});
  return {indices.values(), static_cast<std::int64_t>(bad)};
}

/// Calls check(run) for every rung.
template <class T, class Check>
void for_rungs(const Check& check) {
  for (const auto& rung : kernels::ladder<Simt, kernels::TopK<T>>()) {
    SCOPED_TRACE(rung.name);
    check([&](Simt& simt, const kernels::TopK<T>& a) { kernels::run_rung(simt, rung, a); });
  }
}

template <class T>
class CudaTopK : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaTopK, RealTypes);

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
  for_rungs<TypeParam>([&](const auto& run) {
    EXPECT_EQ(run_top_k(run, logits, s).bad_row, 77);
    std::vector<TypeParam> late = logits;
    std::copy_n(clean.begin() + 77 * s.experts, s.experts, late.begin() + 77 * s.experts);
    EXPECT_EQ(run_top_k(run, late, s).bad_row, 222);
  });
}

TYPED_TEST(CudaTopK, InfiniteLogitsRankAndBadRowsNameNoExpertTwice) {
  constexpr auto kNan = std::numeric_limits<TypeParam>::quiet_NaN();
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const std::vector<TypeParam> infinite = {-kInf, kInf, -kInf, 0, -kInf, -1, kInf, kInf, 0};
  const std::vector<TypeParam> bad = {kNan, 1, kNan, -kInf, -kInf, -kInf, kNan, kNan, kNan};
  for_rungs<TypeParam>([&](const auto& run) {
    const Result ranked = run_top_k(run, infinite, {3, 3, 3});
    EXPECT_EQ(ranked.bad_row, -1);
    EXPECT_EQ(ranked.indices, (std::vector<double>{1, 0, 2, 0, 2, 1, 0, 1, 2}));
    const Result reported = run_top_k(run, bad, {3, 3, 3});
    EXPECT_EQ(reported.bad_row, 0);
    EXPECT_EQ(reported.indices, (std::vector<double>{1, 0, 2, 0, 1, 2, 0, 1, 2}));
  });
}

TYPED_TEST(CudaTopK, SameAnswerOnAnyNumberOfThreads) {
  const Sizes s = {1000, 8, 2};
  std::vector<TypeParam> logits = coarse_logits<TypeParam>(s);
  for (std::size_t i = 600; i < logits.size(); i += 100) {
    logits[i] = std::numeric_limits<TypeParam>::quiet_NaN();
  }
  const auto run = [](Simt& simt, const auto& arguments) { kernels::run(simt, arguments); };
  for_thread_counts([&] { EXPECT_EQ(run_top_k(run, logits, s).bad_row, 600 / s.experts); });
}

TYPED_TEST(CudaTopK, SizesAVariantDoesNotTakeAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  Simt simt;
  for (const auto& rung : kernels::ladder<Simt, kernels::TopK<TypeParam>>()) {
    const auto refused = [&](std::int64_t tokens, std::int64_t experts, const char* part) {
      const std::string text = error_text<kernels::Refusal>([&] {
        kernels::run_rung(simt, rung,
                          kernels::TopK<TypeParam>{.tokens = tokens, .experts = experts, .k = 1});
      });
      EXPECT_EQ(text.find(fmt::format("[{}] ", rung.name)), 0U) << text;
      EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    refused(1, kMany, rung.takes.text.empty() ? "experts of 2147483648" : "at most 256 experts");
    refused(std::int64_t{1} << 40, 4, "blocks of ");
  }
}

}  // namespace
}  // namespace switchyard::test

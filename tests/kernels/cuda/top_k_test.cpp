#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
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

#include "kernels/api/gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

#include "kernels/api/executor.h"
#include "kernels/common/philox.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::GateOptions;
using kernels::GateOrder;
using kernels::GateShape;
using kernels::Simt;

constexpr kernels::RandomStretch kNoise{.seed = 77, .offset = 5};
constexpr GateOrder kOrders[] = {GateOrder::kTopKSoftmax, GateOrder::kSoftmaxTopK,
                                 GateOrder::kSoftmaxTopKRenormalized};

template <class T>
std::vector<T> as(const std::vector<double>& values) {
  std::vector<T> result;
  for (const double v : values) result.push_back(static_cast<T>(v));
  return result;
}

/// Standard normal numbers, rounded to thirds: without noise there are many ties.
template <class T>
std::vector<T> coarse_logits(const GateShape& s) {
  std::vector<double> values = random_tensor({s.tokens, s.experts}, 11).to_doubles();
  for (double& v : values) v = std::round(3 * v) / 3;
  return as<T>(values);
}

struct Result {
  std::vector<double> indices, weights;
  std::int64_t bad_row = -1;
};

/// What a gate does to one row of v: a stable sort and two sums.
void add_row(const std::vector<double>& v, const GateShape& s, GateOrder order, Result& result) {
  std::vector<std::size_t> best(v.size());
  std::iota(best.begin(), best.end(), 0);
  std::stable_sort(best.begin(), best.end(),
                   [&](std::size_t a, std::size_t b) { return v[a] > v[b]; });
  double over_kept = 0.0;
  double over_all = 0.0;
  for (std::size_t j = 0; j < v.size(); ++j) {
    const double e = std::exp(v[best[j]] - v[best[0]]);
    over_all += e;
    if (j < static_cast<std::size_t>(s.k)) over_kept += e;
  }
  for (std::size_t j = 0; j < static_cast<std::size_t>(s.k); ++j) {
    result.indices.push_back(static_cast<double>(best[j]));
    result.weights.push_back(std::exp(v[best[j]] - v[best[0]]) /
                             (order == GateOrder::kSoftmaxTopK ? over_all : over_kept));
  }
}

double normal(std::size_t i) {
  const auto word = [](std::size_t at) {
    return kernels::random_word(kNoise.seed, kNoise.offset, static_cast<std::int64_t>(at));
  };
  const kernels::NormalPair pair = kernels::normal_from(word(i / 2 * 2), word(i / 2 * 2 + 1));
  return i % 2 == 0 ? pair.first : pair.second;
}

template <class T>
Result reference(const GateShape& s, const GateOptions& options, const std::vector<T>& logits,
                 const std::vector<T>& deviation) {
  Result result;
  for (std::size_t t = 0; t < static_cast<std::size_t>(s.tokens); ++t) {
    std::vector<double> v;
    for (std::size_t e = 0; e < static_cast<std::size_t>(s.experts); ++e) {
      const std::size_t i = t * static_cast<std::size_t>(s.experts) + e;
      const double noise = deviation.empty() ? 0.0 : double{deviation[i]} * normal(i);
      v.push_back((double{logits[i]} + noise) / options.temperature);
    }
    add_row(v, s, options.order, result);
  }
  return result;
}

template <class T>
class CudaGate : public testing::Test {
 protected:
  template <class Exec>
  static Result run(Exec& exec, kernels::GateFunction<Exec, T>* function, const GateShape& s,
                    const GateOptions& options, const std::vector<T>& logits,
                    const std::vector<T>& deviation = {}) {
    GuardedBuffer<T> weights(s.tokens * s.k);
    GuardedBuffer<std::int64_t> indices(s.tokens * s.k);
    std::fill_n(indices.data(), s.tokens * s.k, -99);
    const std::int64_t bad =
        function(exec, s, options, logits.data(), deviation.empty() ? nullptr : deviation.data(),
                 weights.data(), indices.data());
    return {indices.values(), weights.values(), bad};
  }

  template <class Exec>
  void expect_reference(Exec& exec, kernels::GateFunction<Exec, T>* function, const GateShape& s) {
    SCOPED_TRACE(fmt::format("{} tokens, {} experts, k {}", s.tokens, s.experts, s.k));
    const std::vector<T> logits = coarse_logits<T>(s);
    std::vector<double> spread = random_tensor({s.tokens * s.experts}, 12).to_doubles();
    for (double& v : spread) v = std::abs(v) + 0.3;
    for (const GateOrder order : kOrders) {
      for (const auto& deviation : {std::vector<T>{}, as<T>(spread)}) {
        for (const double temperature : {1.0, 0.4}) {
          // Every pair on small problems, the rest with neither or both.
          if (s.tokens > 5 && deviation.empty() != (temperature == 1.0)) continue;
          SCOPED_TRACE(fmt::format("order {}, {}, temperature {}", static_cast<int>(order),
                                   deviation.empty() ? "no noise" : "noise", temperature));
          const GateOptions options = {order, temperature, kNoise};
          const Result got = run(exec, function, s, options, logits, deviation);
          const Result want = reference(s, options, logits, deviation);
          EXPECT_EQ(got.indices, want.indices);
          EXPECT_LE(relative_error(got.weights, want.weights), tolerance(kDTypeOf<T>));
          EXPECT_EQ(got.bad_row, -1);
        }
      }
    }
  }

  static bool takes(std::string_view variant, std::int64_t experts) {
    if (variant == "gate_lanes_per_token") return experts <= 16;
    return variant != "gate_warp_per_token" || experts <= 256;
  }

  Simt simt_;
  Cpu cpu_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGate, RealTypes);

const std::vector<GateShape> kShapes = {
    {0, 4, 2},   {1, 1, 1},   {31, 4, 4},    {5, 3, 2},    {127, 7, 2}, {65, 8, 2},  {33, 16, 3},
    {33, 64, 4}, {9, 160, 8}, {1, 160, 160}, {6, 100, 33}, {9, 256, 1}, {33, 17, 1}, {3, 300, 3}};

TYPED_TEST(CudaGate, EveryVariantMatchesAStableSortAndPlainSums) {
  for (const auto& variant : kernels::gate_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    for (const GateShape& s : kShapes) {
      if (this->takes(variant.name, s.experts)) this->expect_reference(this->simt_, variant.run, s);
    }
  }
}

TYPED_TEST(CudaGate, EntryPointsTakeAnyNumberOfExperts) {
  for (const GateShape& s : kShapes) {
    this->expect_reference(this->cpu_, kernels::gate<Cpu, TypeParam>, s);
  }
  for (const GateShape& s : {GateShape{9, 8, 2}, GateShape{9, 20, 2}, GateShape{3, 300, 3}}) {
    this->expect_reference(this->simt_, kernels::gate<Simt, TypeParam>, s);
  }
}

TYPED_TEST(CudaGate, ReportsTheLowestRowWithoutAChoiceAndNamesNoExpertTwice) {
  constexpr auto kNan = std::numeric_limits<TypeParam>::quiet_NaN();
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const GateShape s = {200, 12, 3};
  const std::vector<TypeParam> clean = coarse_logits<TypeParam>(s);
  const auto expect = [&](auto& exec, const auto& run) {
    std::vector<TypeParam> logits = clean;
    std::int64_t want = -1;
    // From the last row up: a NaN, a row of -inf, one +inf, a row of NaN.
    for (const std::int64_t row : {199, 150, 77, 3}) {
      TypeParam* const at = logits.data() + row * s.experts;
      if (row == 199) at[11] = kNan;
      if (row == 150) std::fill_n(at, s.experts, -kInf);
      if (row == 77) at[5] = kInf;
      if (row == 3) std::fill_n(at, s.experts, kNan);
      want = row;
      const Result got = this->run(exec, run, s, {.order = GateOrder::kSoftmaxTopK}, logits);
      EXPECT_EQ(got.bad_row, want);
      for (std::size_t t = 0; t < 200; ++t) {
        const std::set<double> chosen(&got.indices[3 * t], &got.indices[3 * t] + 3);
        EXPECT_EQ(chosen.size(), 3U) << "row " << t;
        EXPECT_TRUE(*chosen.begin() >= 0 && *chosen.rbegin() < 12) << "row " << t;
      }
    }
  };
  for (const auto& variant : kernels::gate_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    expect(this->simt_, variant.run);
  }
  SCOPED_TRACE("cpu");
  expect(this->cpu_, kernels::gate<Cpu, TypeParam>);
}

TYPED_TEST(CudaGate, ExpertsAtMinusInfinityGetNoWeight) {
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const std::vector<TypeParam> logits = {-kInf, 2, -kInf, 2};
  const auto expect = [&](auto& exec, const auto& run) {
    for (const GateOrder order : kOrders) {
      const Result got = this->run(exec, run, {1, 4, 3}, {.order = order}, logits);
      EXPECT_EQ(got.indices, (std::vector<double>{1, 3, 0}));
      EXPECT_EQ(got.weights, (std::vector<double>{0.5, 0.5, 0}));
      EXPECT_EQ(got.bad_row, -1);
    }
  };
  for (const auto& variant : kernels::gate_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    expect(this->simt_, variant.run);
  }
  SCOPED_TRACE("cpu");
  expect(this->cpu_, kernels::gate<Cpu, TypeParam>);
}

TYPED_TEST(CudaGate, SizesAVariantDoesNotTakeAreRefusedBeforeTheLaunch) {
  const TypeParam* const nothing = nullptr;
  for (const auto& variant : kernels::gate_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    const auto refused = [&](const GateShape& s, const std::string& reason) {
      expect_error<std::invalid_argument>(
          [&] { variant.run(this->simt_, s, {}, nothing, nothing, nullptr, nullptr); },
          fmt::format("[{}] {}", variant.name, reason));
    };
    const bool fused = !variant.needs.empty();
    refused({std::int64_t{1} << 40, 4, 1}, fused ? "blocks of " : "tokens * experts of ");
    refused({1, std::int64_t{1} << 31, 1},
            fused ? fmt::format("needs {}", variant.needs) : "tokens * experts of ");
  }
}

}  // namespace
}  // namespace switchyard::test

#include "kernels/api/gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

// Checks what the workbench's case of the gate does not say: rows without a choice, sizes refused.

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::Gate;
using kernels::GateOrder;
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

struct GateShape {
  std::int64_t tokens, experts, k;
};
struct GateOptions {
  GateOrder order = GateOrder::kTopKSoftmax;
  kernels::RandomStretch noise = {};
};

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

template <class T>
class CudaGate : public testing::Test {
 protected:
  template <class Exec>
  static Result run(Exec& exec, const kernels::Rung<Exec, Gate<T>>& rung, const GateShape& s,
                    const GateOptions& options, const std::vector<T>& logits,
                    const std::vector<T>& deviation = {}) {
    GuardedBuffer<T> weights(s.tokens * s.k);
    GuardedBuffer<std::int64_t> indices(s.tokens * s.k);
    std::fill_n(indices.data(), s.tokens * s.k, -99);
    kernels::LowestNumber bad = ~kernels::LowestNumber{0};
    kernels::run_rung(exec, rung,
                      Gate<T>{.logits = logits.data(),
                              .deviation = deviation.empty() ? nullptr : deviation.data(),
                              .tokens = s.tokens,
                              .experts = s.experts,
                              .k = s.k,
                              .order = options.order,
                              .noise = options.noise,
                              .weights = weights.data(),
                              .indices = indices.data(),
                              .bad_row = &bad});
    return {indices.values(), weights.values(), static_cast<std::int64_t>(bad)};
  }
  /// Calls expect(executor, rung) for every rung of both executors that takes the sizes.
  template <class Expect>
  void for_rungs(std::int64_t experts, const Expect& expect) {
    const auto all = [&]<class Exec>(Exec& exec) {
      for (const auto& rung : kernels::ladder<Exec, Gate<T>>()) {
        SCOPED_TRACE(rung.name);
        if (rung.takes(Gate<T>{.experts = experts, .k = 1})) expect(exec, rung);
      }
    };
    all(simt_);
    all(cpu_);
  }

  Simt simt_;
  Cpu cpu_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGate, RealTypes);

TYPED_TEST(CudaGate, NoiseIsWhatRandomNormalDraws) {
  const GateShape s = {33, 7, 2};
  const std::vector<TypeParam> logits = coarse_logits<TypeParam>(s);
  const std::vector<TypeParam> ones(logits.size(), TypeParam{1});
  std::vector<TypeParam> noisy(logits.size());
  kernels::run(this->cpu_,
               kernels::RandomNormal<TypeParam>{
                   .y = noisy.data(), .count = s.tokens * s.experts, .stretch = kNoise});
  for (std::size_t i = 0; i < noisy.size(); ++i) noisy[i] += logits[i];
  const auto expect = [&](auto& exec, const auto& rung) {
    const Result at_once = this->run(exec, rung, s, {.noise = kNoise}, logits, ones);
    const Result before = this->run(exec, rung, s, {}, noisy);
    EXPECT_EQ(at_once.indices, before.indices);
    EXPECT_LE(relative_error(at_once.weights, before.weights), tolerance(kDTypeOf<TypeParam>));
  };
  this->for_rungs(s.experts, expect);
}

TYPED_TEST(CudaGate, ReportsTheLowestRowWithoutAChoiceAndNamesNoExpertTwice) {
  constexpr auto kNan = std::numeric_limits<TypeParam>::quiet_NaN();
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const GateShape s = {200, 12, 3};
  const std::vector<TypeParam> clean = coarse_logits<TypeParam>(s);
  const auto expect = [&](auto& exec, const auto& rung) {
    std::vector<TypeParam> logits = clean;
    std::int64_t want = -1;
    // From the last row up the rows get a NaN, a row of -inf, one +inf, a row of NaN.
    for (const std::int64_t row : {199, 150, 77, 3}) {
      TypeParam* const at = logits.data() + row * s.experts;
      if (row == 199) at[11] = kNan;
      if (row == 150) std::fill_n(at, s.experts, -kInf);
      if (row == 77) at[5] = kInf;
      if (row == 3) std::fill_n(at, s.experts, kNan);
      want = row;
      const Result got = this->run(exec, rung, s, {.order = GateOrder::kSoftmaxTopK}, logits);
      EXPECT_EQ(got.bad_row, want);
      for (std::size_t t = 0; t < 200; ++t) {
        const std::set<double> chosen(&got.indices[3 * t], &got.indices[3 * t] + 3);
        EXPECT_EQ(chosen.size(), 3U) << "row " << t;
        EXPECT_TRUE(*chosen.begin() >= 0 && *chosen.rbegin() < 12) << "row " << t;
      }
    }
  };
  this->for_rungs(s.experts, expect);
}

TYPED_TEST(CudaGate, ExpertsAtMinusInfinityGetNoWeight) {
  constexpr auto kInf = std::numeric_limits<TypeParam>::infinity();
  const std::vector<TypeParam> logits = {-kInf, 2, -kInf, 2};
  const auto expect = [&](auto& exec, const auto& rung) {
    for (const GateOrder order : kOrders) {
      const Result got = this->run(exec, rung, {1, 4, 3}, {.order = order}, logits);
      EXPECT_EQ(got.indices, (std::vector<double>{1, 3, 0}));
      EXPECT_EQ(got.weights, (std::vector<double>{0.5, 0.5, 0}));
      EXPECT_EQ(got.bad_row, -1);
    }
  };
  this->for_rungs(4, expect);
}

TYPED_TEST(CudaGate, SizesAVariantDoesNotTakeAreRefusedBeforeTheLaunch) {
  for (const auto& rung : kernels::ladder<Simt, Gate<TypeParam>>()) {
    SCOPED_TRACE(rung.name);
    const auto refused = [&](const GateShape& s, const std::string& reason) {
      expect_error<kernels::Refusal>(
          [&] {
            kernels::run_rung(this->simt_, rung,
                              Gate<TypeParam>{.tokens = s.tokens, .experts = s.experts, .k = s.k});
          },
          fmt::format("[{}] {}", rung.name, reason));
    };
    const bool fused = !rung.takes.text.empty();
    refused({std::int64_t{1} << 40, 4, 1}, fused ? "blocks of " : "tokens * experts of ");
    refused({1, std::int64_t{1} << 31, 1},
            fused ? fmt::format("needs {}", rung.takes.text) : "tokens * experts of ");
  }
}

}  // namespace
}  // namespace switchyard::test

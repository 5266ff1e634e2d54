#include "kernels/api/moe_double_backward.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/common/sizes.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::ExpertActivation;
using kernels::MoeBackward;
using kernels::MoeDoubleBackward;
using kernels::MoeForward;
using kernels::MoeShape;
using kernels::Simt;
using Indices = std::vector<std::int64_t>;

/// Where the assignments of `indices` [tokens, k] go when nothing is dropped.
struct Routes {
  Indices indices, offsets, permutation, inverse;

  Routes(Indices chosen, std::int64_t experts) : indices(std::move(chosen)), offsets{0} {
    inverse.resize(indices.size());
    for (std::int64_t e = 0; e < experts; ++e) {
      for (std::size_t a = 0; a < indices.size(); ++a) {
        if (indices[a] != e) continue;
        inverse[a] = static_cast<std::int64_t>(permutation.size());
        permutation.push_back(static_cast<std::int64_t>(a));
      }
      offsets.push_back(static_cast<std::int64_t>(permutation.size()));
    }
  }
  kernels::MoeRoutes arrays() const {
    return {indices.data(), offsets.data(), permutation.data(), inverse.data()};
  }
};

constexpr std::int64_t kExperts = 5, kChoices = 2, kWidth = 12, kHidden = 70, kOut = 9;

/// Experts and tokens of one batch.
template <class T>
struct Layer {
  MoeShape shape;
  Routes routes;
  std::vector<T> w_in, b_in, w_out, b_out, x, weights, gy;

  Layer(ExpertActivation activation, Indices chosen)
      : shape{.tokens = static_cast<std::int64_t>(chosen.size()) / kChoices,
              .k = kChoices,
              .slots = static_cast<std::int64_t>(chosen.size()),
              .experts = kExperts,
              .width = kWidth,
              .hidden = kHidden,
              .out = kOut,
              .activation = activation},
        routes(std::move(chosen), kExperts),
        w_in(random_numbers<T>(kExperts * shape.wide() * kWidth, 1)),
        b_in(random_numbers<T>(kExperts * shape.wide(), 2)),
        w_out(random_numbers<T>(kExperts * kOut * kHidden, 3)),
        b_out(random_numbers<T>(kExperts * kOut, 4)),
        x(random_numbers<T>(shape.tokens * kWidth, 5)),
        weights(random_numbers<T>(shape.slots, 6)),
        gy(random_numbers<T>(shape.tokens * kOut, 7)) {}

  /// Tokens [first, first + count) of `all` as a batch of their own.
  Layer(const Layer& all, std::int64_t first, std::int64_t count)
      : Layer(all.shape.activation,
              Indices(all.routes.indices.begin() + first * kChoices,
                      all.routes.indices.begin() + (first + count) * kChoices)) {
    const auto part = [=](std::vector<T>& to, const std::vector<T>& from, std::int64_t width) {
      to.assign(from.begin() + first * width, from.begin() + (first + count) * width);
    };
    part(x, all.x, kWidth);
    part(weights, all.weights, kChoices);
    part(gy, all.gy, kOut);
  }

  kernels::MoeWeights<T> experts() const {
    return {w_in.data(), b_in.data(), w_out.data(), b_out.data()};
  }
};

/// y, gx and gweights of a batch, and how many launches they took.
struct Results {
  std::vector<double> y, gx, gweights;
  std::int64_t forward_launches = 0, backward_launches = 0;
};

/// Runs rungs `technique` of both directions with everything wanted.
template <class T>
Results run_layer(const Layer<T>& in, bool keeps_u, const std::string& technique = "fused") {
  const MoeShape& s = in.shape;
  GuardedBuffer<T> y(s.tokens * s.out), u(s.slots * s.wide()), gx(s.tokens * s.width),
      gweights(s.slots), gw_in(s.experts * s.wide() * s.width), gb_in(s.experts * s.wide()),
      gw_out(s.experts * s.out * s.hidden), gb_out(s.experts * s.out);
  Results results;
  Simt simt;
  kernels::run_rung(simt, "moe_forward_" + technique,
                    MoeForward<T>{.shape = s,
                                  .routes = in.routes.arrays(),
                                  .experts = in.experts(),
                                  .x = in.x.data(),
                                  .weights = in.weights.data(),
                                  .u = keeps_u ? u.data() : nullptr,
                                  .y = y.data()});
  results.forward_launches = static_cast<std::int64_t>(simt.launches);
  kernels::run_rung(simt, "moe_backward_" + technique,
                    MoeBackward<T>{.shape = s,
                                   .routes = in.routes.arrays(),
                                   .experts = in.experts(),
                                   .x = in.x.data(),
                                   .weights = in.weights.data(),
                                   .u = keeps_u ? u.data() : nullptr,
                                   .gy = in.gy.data(),
                                   .gx = gx.data(),
                                   .gweights = gweights.data(),
                                   .gw_in = gw_in.data(),
                                   .gb_in = gb_in.data(),
                                   .gw_out = gw_out.data(),
                                   .gb_out = gb_out.data()});
  results.backward_launches = static_cast<std::int64_t>(simt.launches) - results.forward_launches;
  results.y = y.values();
  results.gx = gx.values();
  results.gweights = gweights.values();
  return results;
}

/// Results of the second order along a direction like the layer itself, and their launches.
struct SecondResults {
  std::vector<double> ggy, gx, gweights, matrices;
  std::int64_t launches = 0;
};

template <class T>
SecondResults run_second_order(const Layer<T>& in, bool keeps_u) {
  const MoeShape& s = in.shape;
  GuardedBuffer<T> y(s.tokens * s.out), u(s.slots * s.wide()), ggy(s.tokens * s.out),
      gx(s.tokens * s.width), gweights(s.slots), gw_in(s.experts * s.wide() * s.width),
      gb_in(s.experts * s.wide()), gw_out(s.experts * s.out * s.hidden), gb_out(s.experts * s.out);
  Simt simt;
  kernels::run_rung(simt, "moe_forward_fused",
                    MoeForward<T>{.shape = s,
                                  .routes = in.routes.arrays(),
                                  .experts = in.experts(),
                                  .x = in.x.data(),
                                  .weights = in.weights.data(),
                                  .u = u.data(),
                                  .y = y.data()});
  const std::size_t before = simt.launches;
  kernels::run_rung(
      simt, "moe_double_backward_fused",
      MoeDoubleBackward<T>{
          .shape = s,
          .routes = in.routes.arrays(),
          .experts = in.experts(),
          .x = in.x.data(),
          .weights = in.weights.data(),
          .u = keeps_u ? u.data() : nullptr,
          .gy = in.gy.data(),
          .direction = {.x = in.x.data(), .weights = in.weights.data(), .experts = in.experts()},
          .ggy = ggy.data(),
          .gx = gx.data(),
          .gweights = gweights.data(),
          .gw_in = gw_in.data(),
          .gb_in = gb_in.data(),
          .gw_out = gw_out.data(),
          .gb_out = gb_out.data()});
  SecondResults results = {ggy.values(), gx.values(), gweights.values(), gw_in.values(), 0};
  const std::vector<double> out = gw_out.values();
  results.matrices.insert(results.matrices.end(), out.begin(), out.end());
  results.launches = static_cast<std::int64_t>(simt.launches - before);
  return results;
}

/// Two different experts for each of `tokens`, most of them 1 and 3, nobody 4.
Indices uneven_choices(std::int64_t tokens) {
  Indices chosen;
  for (std::int64_t t = 0; t < tokens; ++t) {
    chosen.push_back(t % 7 == 0 ? 0 : 3);
    chosen.push_back(t % 11 == 0 ? 2 : 1);
  }
  return chosen;
}

/// The rungs that read rows through the permutation.
template <class T>
std::vector<std::string> fused_techniques() {
  return {"fused", std::is_same_v<T, float> ? "fused_tensor_core_tf32" : "fused_tensor_core"};
}

template <class T>
class CudaMoe : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaMoe, RealTypes);

TYPED_TEST(CudaMoe, FusedRungsTakeThreeLaunchesForwardAndAtMostEightBackward) {
  const Layer<TypeParam> in(ExpertActivation::kSwiGlu, uneven_choices(20));
  for (const std::string& technique : fused_techniques<TypeParam>()) {
    const Results kept = run_layer(in, true, technique);
    const Results computed_again = run_layer(in, false, technique);
    EXPECT_EQ(kept.forward_launches, 3);
    EXPECT_EQ(kept.backward_launches, 7);
    EXPECT_EQ(computed_again.forward_launches, 3);
    EXPECT_EQ(computed_again.backward_launches, 8);
    EXPECT_EQ(kept.gx, computed_again.gx);
    EXPECT_EQ(kept.gweights, computed_again.gweights);
  }
  const Results grouped = run_layer(in, true, "grouped");
  EXPECT_EQ(grouped.forward_launches, 5);
  EXPECT_EQ(grouped.backward_launches, 12);
}

TYPED_TEST(CudaMoe, ATokenGetsTheSameBitsWhateverElseIsInItsBatch) {
  const auto part_of = [](const std::vector<double>& all, std::int64_t first, std::size_t count) {
    return std::vector<double>(all.begin() + first,
                               all.begin() + first + static_cast<std::int64_t>(count));
  };
  const auto check = [&](ExpertActivation activation, const std::string& technique) {
    const Layer<TypeParam> all(activation, uneven_choices(150));
    const Results together = run_layer(all, true, technique);
    for (const auto& [first, count] : {std::pair{0, 1}, {70, 3}, {13, 100}}) {
      const Results alone = run_layer(Layer<TypeParam>(all, first, count), true, technique);
      EXPECT_EQ(alone.y, part_of(together.y, first * kOut, alone.y.size()));
      EXPECT_EQ(alone.gx, part_of(together.gx, first * kWidth, alone.gx.size()));
      EXPECT_EQ(alone.gweights,
                part_of(together.gweights, first * kChoices, alone.gweights.size()));
    }
  };
  check(ExpertActivation::kRelu, "fused");
  check(ExpertActivation::kGelu, "fused");
  for (const std::string& technique : fused_techniques<TypeParam>()) {
    check(ExpertActivation::kSwiGlu, technique);
  }
}

TYPED_TEST(CudaMoe, TheSecondOrderTakesTenLaunchesAndOneMoreWithoutPreActivations) {
  const Layer<TypeParam> in(ExpertActivation::kSwiGlu, uneven_choices(20));
  const SecondResults kept = run_second_order(in, true);
  const SecondResults computed_again = run_second_order(in, false);
  EXPECT_EQ(kept.launches, 10);
  EXPECT_EQ(computed_again.launches, 11);
  EXPECT_EQ(kept.ggy, computed_again.ggy);
  EXPECT_EQ(kept.gx, computed_again.gx);
  EXPECT_EQ(kept.gweights, computed_again.gweights);
  EXPECT_EQ(kept.matrices, computed_again.matrices);
}

TYPED_TEST(CudaMoe, ATokensSecondOrderHasTheSameBitsInAnyBatchAndOnAnyNumberOfThreads) {
  const Layer<TypeParam> all(ExpertActivation::kSwiGlu, uneven_choices(150));
  const SecondResults together = run_second_order(all, true);
  constexpr std::int64_t kFirst = 13, kCount = 70;
  const SecondResults some = run_second_order(Layer<TypeParam>(all, kFirst, kCount), true);
  const auto part = [](const std::vector<double>& of_all, std::int64_t width) {
    return std::vector<double>(of_all.begin() + kFirst * width,
                               of_all.begin() + (kFirst + kCount) * width);
  };
  EXPECT_EQ(some.ggy, part(together.ggy, kOut));
  EXPECT_EQ(some.gx, part(together.gx, kWidth));
  EXPECT_EQ(some.gweights, part(together.gweights, kChoices));
  for_thread_counts([&] {
    const SecondResults again = run_second_order(all, true);
    EXPECT_EQ(again.gx, together.gx);
    EXPECT_EQ(again.matrices, together.matrices);
  });
}

TYPED_TEST(CudaMoe, SameBitsOnAnyNumberOfThreads) {
  const Layer<TypeParam> in(ExpertActivation::kGelu, uneven_choices(70));
  std::vector<Results> results;
  for_thread_counts([&] { results.push_back(run_layer(in, true)); });
  for (const Results& each : results) {
    EXPECT_EQ(each.y, results.front().y);
    EXPECT_EQ(each.gx, results.front().gx);
    EXPECT_EQ(each.gweights, results.front().gweights);
  }
}

TYPED_TEST(CudaMoe, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  const MoeShape small{
      .tokens = 4, .k = 1, .slots = 4, .experts = 2, .width = 4, .hidden = 4, .out = 4};
  const auto with = [&](std::int64_t MoeShape::*size, std::int64_t value) {
    MoeShape shape = small;
    shape.*size = value;
    return shape;
  };
  const std::vector<std::pair<MoeShape, const char*>> cases = {
      {with(&MoeShape::slots, kMany), "slots of 2147483648"},
      {with(&MoeShape::experts, kMany), "experts of 2147483648"},
      {with(&MoeShape::width, kMany), "width of 2147483648"},
      {with(&MoeShape::hidden, kMany), "hidden of 2147483648"},
      {with(&MoeShape::out, kMany), "out of 2147483648"},
      {with(&MoeShape::k, kMany / 2), "assignments of 4 * 1073741824"}};
  Simt simt;
  for (const auto& each : cases) {
    const auto refused_by = [&simt, &each]<class Op>(const std::string& technique, Op arguments) {
      arguments.shape = each.first;
      const std::string rung = fmt::format("{}_{}", Op::kName, technique);
      const std::string text =
          error_text<kernels::Refusal>([&] { kernels::run_rung(simt, rung, arguments); });
      EXPECT_EQ(text.find(fmt::format("[{}]", rung)), 0U) << text;
      EXPECT_NE(text.find(each.second), std::string::npos) << text;
    };
    for (const std::string& technique : fused_techniques<TypeParam>()) {
      refused_by(technique, MoeForward<TypeParam>{});
      refused_by(technique, MoeBackward<TypeParam>{});
    }
    refused_by("fused", MoeDoubleBackward<TypeParam>{});
  }
  EXPECT_EQ(simt.launches, 0U);
}

}  // namespace
}  // namespace switchyard::test

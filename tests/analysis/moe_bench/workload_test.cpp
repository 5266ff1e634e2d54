#include "analysis/moe_bench/workload.h"

#include <gtest/gtest.h>

#include <set>

#include "analysis/moe_bench/distribution.h"
#include "engine/core/check.h"
#include "engine/ops/gate.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::moe_bench {
namespace {

/// How many tokens each expert gets.
std::vector<std::int64_t> loads(const Workload& w, Draw draw = {}) {
  const Choice choice = gate(draw_logits(w, draw), w.k, GateOrder::kTopKSoftmax);
  std::vector<std::int64_t> count(static_cast<std::size_t>(w.experts), 0);
  for (const double e : choice.indices.to_doubles()) ++count[static_cast<std::size_t>(e)];
  return count;
}

Workload workload(Distribution distribution, std::int64_t tokens = 4096, std::int64_t experts = 16,
                  std::int64_t k = 2) {
  Workload w;
  w.tokens = tokens;
  w.experts = experts;
  w.k = k;
  w.distribution = distribution;
  return w;
}

TEST(WorkloadTest, BalancedLoadsDifferByAtMostOne) {
  for (const std::int64_t experts : {1, 7, 16, 160}) {
    const std::vector<std::int64_t> count =
        loads(workload(Distribution::kBalanced, 1001, experts, std::min<std::int64_t>(experts, 3)));
    const auto [least, most] = std::minmax_element(count.begin(), count.end());
    EXPECT_LE(*most - *least, 1) << experts;
  }
}

TEST(WorkloadTest, UniformLoadsAreNearTheMean) {
  for (const std::int64_t load : loads(workload(Distribution::kUniform))) {
    EXPECT_NEAR(static_cast<double>(load), 512.0, 5 * 22.0);  // five standard deviations
  }
}

TEST(WorkloadTest, ZipfFollowsItsLawWithOneChoice) {
  const std::vector<std::int64_t> count = loads(workload(Distribution::kZipf, 20000, 4, 1));
  const double harmonic = 1.0 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4;
  for (std::size_t e = 0; e < 4; ++e) {
    EXPECT_NEAR(static_cast<double>(count[e]), 20000.0 / static_cast<double>(e + 1) / harmonic,
                350.0);
  }
}

TEST(WorkloadTest, HotExpertsDrawHalf) {
  const std::vector<std::int64_t> count = loads(workload(Distribution::kHot, 10000, 16, 1));
  EXPECT_NEAR(static_cast<double>(count[0] + count[1]), 5000.0, 250.0);
}

TEST(WorkloadTest, OneTakesTheSameExpertsAlways) {
  const std::vector<std::int64_t> count = loads(workload(Distribution::kOne, 100, 8, 2));
  EXPECT_EQ(count, (std::vector<std::int64_t>{100, 100, 0, 0, 0, 0, 0, 0}));
}

TEST(WorkloadTest, EmptyLeavesEverySecondExpertWithoutTokens) {
  const std::vector<std::int64_t> count = loads(workload(Distribution::kEmpty));
  for (std::size_t e = 0; e < count.size(); ++e) EXPECT_EQ(count[e] == 0, e % 2 == 1) << e;
}

TEST(WorkloadTest, LogNormalIsUnevenAndTheSameForEveryStep) {
  const std::vector<std::int64_t> first = loads(workload(Distribution::kLogNormal));
  const std::vector<std::int64_t> second = loads(workload(Distribution::kLogNormal), {1, 1});
  const auto hottest = [](const std::vector<std::int64_t>& count) {
    return std::max_element(count.begin(), count.end()) - count.begin();
  };
  EXPECT_EQ(hottest(first), hottest(second));
  EXPECT_NE(first, second);
}

TEST(WorkloadTest, ADrawDependsOnSeedAndStepAlone) {
  for (const std::string& each : distribution_names()) {
    const Workload w = workload(parse_distribution(each), 64);
    const Tensor a = draw_logits(w, {3, 5});
    test::expect_same_bits(a, draw_logits(w, {3, 5}));
    if (each == "balanced" || each == "one") continue;
    EXPECT_NE(a.to_doubles(), draw_logits(w, {3, 6}).to_doubles()) << each;
    EXPECT_NE(a.to_doubles(), draw_logits(w, {4, 5}).to_doubles()) << each;
  }
}

TEST(WorkloadTest, LogitsOfChoicesAreChosenInTheirOrder) {
  const Tensor choices = Tensor::from<std::int64_t>({2, 3}, {4, 0, 2, 1, 3, 0});
  const Choice choice = gate(logits_of_choices(choices, 5), 3, GateOrder::kTopKSoftmax);
  test::expect_same_bits(choice.indices, choices);
}

TEST(WorkloadTest, SizesThatCannotBeAreNamed) {
  const auto fails = [](auto change, const std::string& part) {
    Workload w;
    change(w);
    test::expect_error<UsageError>([&] { check_workload(w); }, part);
  };
  fails([](Workload& w) { w.k = 9; }, "--k: must be between 1 and the 8 experts, got 9");
  fails([](Workload& w) { w.k = 0; }, "--k");
  fails([](Workload& w) { w.experts = 0; }, "--experts");
  fails([](Workload& w) { w.tokens = -1; }, "--tokens");
  fails([](Workload& w) { w.hidden = std::int64_t{1} << 40; }, "2^59");
}

TEST(WorkloadTest, PresetsHaveTheirPublishedSizes) {
  const Workload w = with_preset({}, find_preset("deepseek-v3"));
  EXPECT_EQ(w.to_string(), "T1024 D7168 H2048 C7168 E256 k8 swiglu uniform");
  EXPECT_EQ(with_preset({}, find_preset("published-head")).to_string(),
            "T1024 D512 H64 C10 E8 k2 relu bias uniform");
  EXPECT_EQ(with_preset({}, find_preset("mixtral-8x7b")).to_string(),
            "T1024 D4096 H14336 C4096 E8 k2 swiglu uniform");
  for (const Preset& preset : presets()) {
    check_workload(with_preset({}, preset));
    EXPECT_NE(preset.source.find("arXiv"), std::string_view::npos) << preset.name;
  }
  test::expect_error<UsageError>([] { find_preset("mixtral"); }, "there are: mixtral-8x7b");
}

TEST(WorkloadTest, OneFactorVariesAtATime) {
  Sweep sweep;
  sweep.tokens = {1024, 2048};
  sweep.experts = {1, 16};  // k = 2 has no place among one expert
  sweep.distributions = {Distribution::kZipf};
  const std::vector<Workload> list = one_factor_at_a_time({}, sweep);
  ASSERT_EQ(list.size(), 4U);
  EXPECT_EQ(list[0], Workload());
  EXPECT_EQ(list[1].tokens, 2048);
  EXPECT_EQ(list[2].experts, 16);
  EXPECT_EQ(list[2].tokens, 1024);
  EXPECT_EQ(list[3].distribution, Distribution::kZipf);
}

TEST(WorkloadTest, AMapHasEveryCombination) {
  Sweep sweep;
  sweep.tokens = {1, 2, 3};
  sweep.experts = {1, 16};
  const std::vector<Workload> list = every_combination({}, sweep);
  ASSERT_EQ(list.size(), 6U);
  EXPECT_EQ(list[0].k, 1);
  EXPECT_EQ(list[5].k, 2);
  EXPECT_EQ(list[5].tokens, 3);
}

}  // namespace
}  // namespace switchyard::moe_bench

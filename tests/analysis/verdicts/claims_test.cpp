#include "analysis/verdicts/claims.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <string>

#include "analysis/report/study_files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/report/study_fixture.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

constexpr int kSeeds = 5;

/// A made-up study of three heads, whose runs a test changes before it is judged.
class Claims : public testing::Test {
 protected:
  void SetUp() override {
    write_study_fixture(directory_.path(), {.seeds = kSeeds, .epochs = 1});
    study_ = read_study(directory_.path());
  }

  /// Sets a figure of every run of a head to `value(seed)`.
  void set(const std::string& head, const std::string& path,
           const std::function<json(int seed)>& value) {
    for (json& run : study_["runs"]) {
      if (run["config"]["model"]["head"]["name"] != head) continue;
      run["results"][json::json_pointer(path)] = value(run["config"]["seed"]);
    }
  }

  Verdict verdict(const std::string& claim) const {
    for (Verdict& verdict : judge_claims(study_)) {
      if (verdict.claim == claim) return verdict;
    }
    ADD_FAILURE() << "no claim " << claim;
    return {};
  }

  /// Sets a figure of dense and sparse or soft runs to a given ratio with a spread over seeds of
  /// `spread` that the pairs do not share.
  void set_ratio(const std::string& head, const std::string& path, double ratio, double spread) {
    set("dense", path, [](int seed) { return 10.0 + seed; });
    set(head, path,
        [=](int seed) { return (10.0 + seed) * ratio * (1.0 + spread * (seed % 2 ? 1 : -1)); });
  }

  TemporaryDirectory directory_;
  json study_;
};

TEST_F(Claims, AccuracyIsComparedSeedBySeed) {
  // Seeds differ by ten points, pairs by exactly one: only pairing can see it.
  set("dense", "/test/accuracy", [](int seed) { return 0.5 + 0.1 * seed / kSeeds; });
  for (const char* head : {"soft_moe", "sparse_moe"}) {
    set(head, "/test/accuracy", [](int seed) { return 0.51 + 0.1 * seed / kSeeds; });
  }
  const Verdict gain = verdict("accuracy_gain");
  EXPECT_EQ(gain.finding, Finding::kSupports);
  ASSERT_EQ(gain.comparisons.size(), 2u);
  EXPECT_EQ(gain.comparisons[0].model, "soft_moe");
  EXPECT_EQ(gain.comparisons[0].baseline, "dense");
  EXPECT_EQ(gain.comparisons[0].seeds.size(), static_cast<std::size_t>(kSeeds));
  EXPECT_NEAR(gain.comparisons[0].mean.value(), 0.01, 1e-12);
  EXPECT_NEAR(gain.comparisons[0].published.value(), 0.0079, 1e-12);
  EXPECT_DOUBLE_EQ(gain.comparisons[0].level, 0.975);  // two comparisons share the 5 %
}

TEST_F(Claims, HowASeedWasComputedMakesNoOtherModel) {
  for (json& run : study_["runs"]) {
    json& config = run["config"];
    if (config["seed"] == 2) config["threads"] = 7;
    if (config["seed"] == 3) config.update({{"device", "cuda"}, {"conv", "cudnn"}});
    if (config["seed"] == 4) config["reproducible"] = true;
  }
  const Verdict gain = verdict("accuracy_gain");
  ASSERT_EQ(gain.comparisons.size(), 2u);
  for (const Comparison& comparison : gain.comparisons) {
    EXPECT_EQ(comparison.seeds.size(), static_cast<std::size_t>(kSeeds)) << comparison.model;
  }
}

TEST_F(Claims, OneHeadThatLosesContradictsAClaimAboutAll) {
  set("dense", "/test/accuracy", [](int) { return 0.5; });
  set("soft_moe", "/test/accuracy", [](int) { return 0.51; });
  set("sparse_moe", "/test/accuracy", [](int) { return 0.49; });
  const Verdict gain = verdict("accuracy_gain");
  EXPECT_EQ(gain.comparisons[0].finding, Finding::kSupports);
  EXPECT_EQ(gain.comparisons[1].finding, Finding::kContradicts);
  EXPECT_EQ(gain.finding, Finding::kContradicts);
}

TEST_F(Claims, ASpreadThatHoldsBothAnswersCannotTell) {
  set("dense", "/test/accuracy", [](int) { return 0.5; });
  for (const char* head : {"soft_moe", "sparse_moe"}) {
    set(head, "/test/accuracy", [](int seed) { return 0.505 + (seed % 2 ? 0.02 : -0.02); });
  }
  const Verdict gain = verdict("accuracy_gain");
  EXPECT_EQ(gain.finding, Finding::kCannotTell);
  EXPECT_EQ(gain.comparisons[0].reason, "the interval holds both answers");
}

TEST_F(Claims, OneSeedOrAFigureThatIsNotFiniteCannotTell) {
  set("soft_moe", "/test/accuracy", [](int seed) { return seed == 2 ? json(nullptr) : json(0.9); });
  EXPECT_EQ(verdict("accuracy_gain").comparisons[0].reason, "seed 2: the value is nan");

  json one = study_;
  one["runs"] = json::array();
  for (const json& run : study_["runs"]) {
    if (run["config"]["seed"] == 1) one["runs"].push_back(run);
  }
  study_ = one;
  for (const Verdict& verdict : judge_claims(study_)) {
    if (verdict.claim == "balanced_use") continue;  // one collapsed expert is enough there
    if (verdict.claim == "no_speed_up") continue;   // timed once, whatever the seeds
    EXPECT_EQ(verdict.finding, Finding::kCannotTell) << verdict.claim;
    ASSERT_FALSE(verdict.comparisons.empty()) << verdict.claim;
    EXPECT_EQ(verdict.comparisons[0].reason, "one seed does not show the spread over seeds");
  }
}

TEST_F(Claims, BalanceIsJudgedWhereThereIsABalanceLoss) {
  const auto even = [](int) { return json(std::vector<double>(8, 0.125)); };
  set("sparse_moe", "/test/gate/load", even);
  Verdict use = verdict("balanced_use");
  ASSERT_EQ(use.comparisons.size(), 1u);  // the soft head has none by default
  EXPECT_EQ(use.comparisons[0].model, "sparse_moe");
  EXPECT_EQ(use.comparisons[0].setting, "importance 0.2, load 0.2 as probability; not augmented");
  EXPECT_EQ(use.finding, Finding::kSupports);

  set("sparse_moe", "/test/gate/load", [&](int seed) {
    json load = even(seed);
    if (seed == 3) load[0] = 0.001;
    return load;
  });
  use = verdict("balanced_use");
  EXPECT_EQ(use.finding, Finding::kContradicts);
  EXPECT_EQ(use.comparisons[0].reason, "seed 3: an expert gets 0.008 of an even share");
}

TEST_F(Claims, SharperMeansARatioAboveOne) {
  const std::string eigenvalue = "/curvature/test/largest_eigenvalue/value";
  const std::string trace = "/curvature/test/trace/mean";
  set_ratio("soft_moe", eigenvalue, 1.5, 0.05);
  set_ratio("soft_moe", trace, 1.3, 0.05);
  const Verdict sharper = verdict("soft_is_sharper");
  EXPECT_EQ(sharper.finding, Finding::kSupports);
  EXPECT_NEAR(sharper.comparisons[0].mean.value(), 1.5, 0.02);  // the geometric mean
  EXPECT_NEAR(sharper.comparisons[0].published.value(), 92.2 / 63.9, 1e-12);
  set_ratio("soft_moe", eigenvalue, 0.8, 0.01);
  EXPECT_EQ(verdict("soft_is_sharper").finding, Finding::kContradicts);
  set("soft_moe", eigenvalue, [](int) { return -1.0; });
  EXPECT_EQ(verdict("soft_is_sharper").comparisons[0].reason.substr(0, 19), "seed 1: the ratio i");
}

TEST_F(Claims, AlikeIsShownAndNotTakenFromALackOfEvidence) {
  const std::string eigenvalue = "/curvature/test/largest_eigenvalue/value";
  set_ratio("sparse_moe", "/curvature/test/trace/mean", 1.0, 0.02);
  set_ratio("sparse_moe", eigenvalue, 1.05, 0.02);
  EXPECT_EQ(verdict("sparse_is_like_dense").finding, Finding::kSupports);
  set_ratio("sparse_moe", eigenvalue, 1.05, 0.4);  // not different, but not alike either
  EXPECT_EQ(verdict("sparse_is_like_dense").finding, Finding::kCannotTell);
  set_ratio("sparse_moe", eigenvalue, 1.6, 0.05);
  EXPECT_EQ(verdict("sparse_is_like_dense").finding, Finding::kContradicts);
}

TEST_F(Claims, BehaviourUnderFiniteStepsIsTheRiseAtTheCurvesEnds) {
  const auto curve = [](double rise) {
    return json{{"alphas", {-1, 0, 1}},
                {"train", {1, 1, 1}},
                {"test", {0.5 + 0.9 * rise, 0.5, 0.5 + 1.1 * rise}},
                {"normalisation", "filter"},
                {"seed", 1},
                {"eigenvalue", 2.0}};
  };
  const auto set_rise = [&](const std::string& head, double rise) {
    set(head, "/perturbation/random",
        [&](int seed) { return json::array({curve(rise * (1 + 0.01 * (seed % 2)))}); });
    set(head, "/perturbation/eigenvector", [&](int) { return curve(rise); });
  };
  for (const char* head : {"dense", "soft_moe", "sparse_moe"}) set_rise(head, 2.0);
  EXPECT_EQ(verdict("non_local_behaviour").finding, Finding::kContradicts);
  for (const char* head : {"soft_moe", "sparse_moe"}) set_rise(head, 4.0);
  const Verdict differing = verdict("non_local_behaviour");
  EXPECT_EQ(differing.finding, Finding::kSupports);
  ASSERT_EQ(differing.comparisons.size(), 4u);
  EXPECT_NEAR(differing.comparisons[1].mean.value(), 2.0, 1e-12);
}

TEST_F(Claims, NaiveRoutingIsComparedAtEveryBatchSize) {
  const auto timed = [](double one, double many) {
    json batches = json::array();
    for (const auto& [size, median] : {std::pair(1, one), std::pair(128, many)}) {
      batches.push_back(
          {{"batch_size", size},
           {"latency_ms", {{"median", median}, {"p20", 0.98 * median}, {"p80", 1.02 * median}}}});
    }
    return batches;
  };
  const auto set_gain = [&](double one, double many) {
    const json dense = {{"name", "dense-seed1"}, {"variant", ""}, {"inference", timed(1.0, 100.0)}};
    json sparse = {{"name", "sparse_moe-seed1"}, {"variant", "mask_loop"}};
    sparse["inference"] = timed(one, many);
    json fused = sparse;
    fused["variant"] = "fused";
    fused["inference"] = timed(0.1, 0.1);  // which the claim does not speak of
    const json scope = {{"scope", "model"}, {"entries", {dense, sparse, fused}}};
    study_["study"]["routing_gain"] = {{"scopes", {scope}}};
  };
  set_gain(1.4, 101.0);
  const Verdict none = verdict("no_speed_up");
  EXPECT_EQ(none.finding, Finding::kSupports);
  ASSERT_EQ(none.comparisons.size(), 2u);
  EXPECT_EQ(none.comparisons[1].quantity, "model with the mask loop, latency of a batch of 128");
  EXPECT_NEAR(none.comparisons[1].low.value(), 1.01 * 0.98 / 1.02, 1e-12);
  set_gain(1.4, 80.0);
  EXPECT_EQ(verdict("no_speed_up").finding, Finding::kContradicts);
  set_gain(1.4, 98.0);
  EXPECT_EQ(verdict("no_speed_up").finding, Finding::kCannotTell);
  EXPECT_EQ(verdict("no_speed_up").comparisons[1].reason, "the calls overlap");
}

TEST_F(Claims, WhatWasNotMeasuredIsNotJudged) {
  for (json& run : study_["runs"]) run["results"].erase("curvature");
  const Verdict sharper = verdict("soft_is_sharper");
  EXPECT_TRUE(sharper.comparisons.empty());
  EXPECT_EQ(sharper.finding, Finding::kCannotTell);
}

TEST_F(Claims, AHeadOfAnotherTrainingHasNoTwin) {
  for (json& run : study_["runs"]) {
    if (run["config"]["model"]["head"]["name"] == "dense") run["config"]["batch_size"] = 64;
  }
  EXPECT_TRUE(verdict("accuracy_gain").comparisons.empty());
}

}  // namespace
}  // namespace switchyard::test

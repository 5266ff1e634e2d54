#include "analysis/verdicts/routed_share.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/verdicts/claims.h"
#include "analysis/verdicts/model_groups.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

/// A model of a study of made-up runs. Accuracies and curvature are functions of the seed.
struct Model {
  json head;
  json backbone;
  double share;
};

json head(const char* name, json fields = json::object()) {
  fields["name"] = name;
  return fields;
}

json backbone(const char* name, json moe = nullptr) {
  json fields = {{"name", name}};
  if (!moe.is_null()) fields["moe"] = moe;
  return fields;
}

/// The models of a study of ρ: dense, published, wide, and two with an MoE block in the backbone.
const std::vector<Model>& models() {
  static const std::vector<Model> all = {
      {head("dense"), backbone("small"), 0.0},
      {head("sparse_moe", {{"experts", 8}, {"expert_width", 64}}), backbone("small"), 0.002},
      {head("sparse_moe", {{"experts", 8}, {"expert_width", 4096}}), backbone("small"), 0.1},
      {head("dense"), backbone("small_moe", {{"experts", 8}, {"expert_width", 256}}), 0.2},
      {head("dense"), backbone("small_moe", {{"experts", 8}, {"expert_width", 1024}}), 0.5}};
  return all;
}

/// A study whose test accuracy is 0.7 + 0.01 seed + gain, and whose curvature is 10 seed · factor.
json study(int seeds, const std::vector<double>& gains, const std::vector<double>& factors) {
  json runs = json::array();
  for (int seed = 1; seed <= seeds; ++seed) {
    for (std::size_t i = 0; i < models().size(); ++i) {
      const double curvature = 10.0 * seed * factors[i];
      const json set = {{"largest_eigenvalue", {{"value", curvature}}},
                        {"trace", {{"mean", 9.0 * curvature}}}};
      runs.push_back(
          {{"name", "model" + std::to_string(i) + "-seed" + std::to_string(seed)},
           {"config",
            {{"seed", seed},
             {"batch_size", 128},
             {"model", {{"head", models()[i].head}, {"backbone", models()[i].backbone}}}}},
           {"results",
            {{"routed_share", models()[i].share},
             {"train", {{"accuracy", 0.99}}},
             {"test", {{"accuracy", 0.7 + 0.01 * seed + gains[i]}}},
             {"curvature", {{"train", set}, {"test", set}}}}}});
    }
  }
  return {{"study", json::object()}, {"runs", runs}};
}

const std::vector<double> kRising = {0.0, 0.01, 0.02, 0.03, 0.04};
const std::vector<double> kFlat = {1.0, 1.0, 1.0, 1.0, 1.0};

ShareVerdict verdict(const json& study, const std::string& claim) {
  for (ShareVerdict& verdict : judge_routed_share(study)) {
    if (verdict.claim == claim) return verdict;
  }
  ADD_FAILURE() << "no statement " << claim;
  return {};
}

TEST(ModelGroupsTest, AreNamedByWhatDiffers) {
  json all = study(2, kRising, kFlat);
  std::vector<std::string> names;
  for (const ModelGroup& group : group_runs(all)) names.push_back(group.name);
  EXPECT_EQ(names, (std::vector<std::string>{"dense", "sparse_moe", "sparse_moe, expert_width 4096",
                                             "patch_moe", "patch_moe, expert_width 1024"}));
  // Beside each other: a field that one lacks, a text, a part of the training.
  json& second = all["runs"][2]["config"];
  second["model"]["head"]["expert_width"] = 64;
  second["model"]["head"]["load_estimator"] = "smooth";
  EXPECT_EQ(group_runs(all)[2].name, "sparse_moe, load_estimator smooth");
  second["data"] = {{"augment", true}};
  EXPECT_EQ(group_runs(all)[2].name, "sparse_moe, augment true, load_estimator smooth");
  second["model"]["head"].erase("experts");
  EXPECT_EQ(group_runs(all)[2].name,
            "sparse_moe, augment true, experts none, load_estimator smooth");
  const json page = models_json(group_runs(all));
  EXPECT_EQ(page[2]["runs"], json({"model2-seed1"}));
  EXPECT_EQ(page[2]["differences"][0], json({{"field", "augment"}, {"value", "true"}}));
  EXPECT_EQ(page[1]["differences"], json::array());
}

TEST(ModelGroupsTest, AnotherBackboneIsNamedAndNoNameIsTwice) {
  json all = study(1, kRising, kFlat);
  for (int i : {1, 2}) {
    all["runs"][i]["config"]["model"] = {
        {"head", head("dense")},
        {"backbone", {{"name", "resnet18"}, {"initialisation", i == 1 ? "torchvision" : "he"}}}};
  }
  const std::vector<ModelGroup> groups = group_runs(all);
  EXPECT_EQ(groups[1].name, "dense, backbone resnet18");
  EXPECT_EQ(groups[2].name, "dense, backbone resnet18 (2)");
}

TEST(RoutedShareTest, PairsEveryModelWithItsDenseOne) {
  const ShareVerdict gains = verdict(study(3, kRising, kFlat), "routing_gains_accuracy");
  ASSERT_EQ(gains.trends.size(), 1u);
  const ShareTrend& trend = gains.trends[0];
  EXPECT_EQ(trend.shares, (std::vector<double>{0.002, 0.1, 0.2, 0.5}));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(trend.models[i].baseline, "dense");
    EXPECT_EQ(trend.models[i].values.size(), 3u);
    EXPECT_NEAR(trend.models[i].mean.value(), kRising[i + 1], 1e-12);
  }
  EXPECT_EQ(gains.finding, Finding::kSupports);
  // All three seeds rise over four models: two of 24^3 orders are as far.
  EXPECT_NEAR(trend.rank->p_value, 2.0 / (24.0 * 24 * 24), 1e-12);
  EXPECT_TRUE(trend.rank->exact);
}

TEST(RoutedShareTest, FallsContradictAndOppositesAreTold) {
  std::vector<double> falling = kRising;
  for (double& gain : falling) gain = -gain;
  const json falls = study(3, falling, kFlat);
  EXPECT_EQ(verdict(falls, "routing_gains_accuracy").finding, Finding::kContradicts);
  // Training accuracy is the same, so the gap does the opposite of the test accuracy.
  EXPECT_EQ(verdict(falls, "routing_generalises").finding, Finding::kContradicts);
  EXPECT_EQ(verdict(study(3, kRising, kFlat), "routing_generalises").finding, Finding::kSupports);
}

TEST(RoutedShareTest, CurvatureIsComparedByRatioAndSharesTheLevel) {
  const ShareVerdict sharper =
      verdict(study(3, kRising, {1.0, 1.1, 1.5, 2.0, 3.0}), "routing_sharpens");
  EXPECT_EQ(sharper.finding, Finding::kSupports);
  ASSERT_EQ(sharper.trends.size(), 4u);
  EXPECT_DOUBLE_EQ(sharper.trends[0].level, 1.0 - 0.05 / 4);
  EXPECT_NEAR(sharper.trends[2].models[3].mean.value(), 3.0, 1e-12);
  const ShareVerdict flatter =
      verdict(study(3, kRising, {1.0, 0.9, 0.8, 0.7, 0.6}), "routing_sharpens");
  EXPECT_EQ(flatter.finding, Finding::kContradicts);
}

TEST(RoutedShareTest, SaysWhyItCannotTell) {
  const auto reason = [](const json& study) {
    const ShareVerdict gains = verdict(study, "routing_gains_accuracy");
    EXPECT_EQ(gains.finding, Finding::kCannotTell);
    return gains.trends.at(0).reason;
  };
  // One seed of four models: 2 / 24 is the smallest p-value.
  EXPECT_EQ(reason(study(1, kRising, kFlat)), "no order of so few runs has a p-value below 0.083");
  EXPECT_EQ(reason(study(3, {0.0, 0.02, 0.01, 0.02, 0.01}, kFlat)),
            "chance alone could order the runs so");
  json bad = study(3, kRising, kFlat);
  bad["runs"][7]["results"]["test"]["accuracy"] = nullptr;
  EXPECT_EQ(reason(bad), "sparse_moe, expert_width 4096, seed 2: the value is nan");
}

TEST(RoutedShareTest, NeedsTwoSharesToTellApart) {
  json all = study(2, kRising, kFlat);
  EXPECT_EQ(routed_share_json(all)["verdicts"].size(), 3u);
  for (json& run : all["runs"]) {
    if (run["results"]["routed_share"] > 0.0) run["results"]["routed_share"] = 0.1;
  }
  EXPECT_EQ(routed_share_json(all),
            json({{"figures", json::array()}, {"verdicts", json::array()}}));
  for (json& run : all["runs"]) run["results"].erase("routed_share");  // of an earlier version
  EXPECT_TRUE(judge_routed_share(all).empty());
}

TEST(RoutedShareTest, AChartHasEachModelOnceAndItsDenseOne) {
  json all = study(2, kRising, kFlat);
  for (json& run : all["runs"]) run["results"].erase("train");  // of an earlier version
  const json object = routed_share_json(all);
  ASSERT_EQ(object["figures"].size(), 5u);  // no generalisation gap
  const json& accuracy = object["figures"][0];
  ASSERT_EQ(accuracy["models"].size(), 5u);
  EXPECT_EQ(accuracy["models"][0]["model"], "dense");
  EXPECT_EQ(accuracy["models"][0]["share"], 0.0);
  EXPECT_NEAR(accuracy["models"][0]["mean"], 0.715, 1e-12);
  EXPECT_EQ(accuracy["models"][4]["seeds"], json({1, 2}));
  // Geometric, for curvature has a ratio's scale: the mean of 10 and 20.
  EXPECT_NEAR(object["figures"][1]["models"][0]["mean"], std::sqrt(200.0), 1e-12);
  EXPECT_EQ(object["verdicts"][1]["trends"], json::array());
  EXPECT_EQ(object["verdicts"][1]["finding"], "cannot tell");
}

// The wide head is not the published one, whose figures then do not apply.
TEST(RoutedShareTest, PublishedFiguresAreOfThePublishedHead) {
  const json all = study(3, kRising, kFlat);
  for (const Verdict& verdict : judge_claims(all)) {
    for (const Comparison& comparison : verdict.comparisons) {
      const bool published = comparison.model == "sparse_moe" && verdict.claim != "balanced_use" &&
                             verdict.claim != "non_local_behaviour";
      EXPECT_EQ(comparison.published.has_value(), published)
          << verdict.claim << " " << comparison.model;
    }
  }
}

}  // namespace
}  // namespace switchyard::test

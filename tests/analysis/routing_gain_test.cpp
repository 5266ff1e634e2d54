#include "analysis/routing_gain.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "analysis/token_layers.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

const Shape kImage{8, 8, 3};
const EfficiencyOptions kShort{
    .batch_sizes = {1, 3},
    .timing = {.warm_up = 0, .min_repeats = 2, .max_repeats = 2, .target_seconds = 1e-3}};

const GainEntry& find(const GainScope& scope, const std::string& name, const std::string& variant) {
  for (const GainEntry& entry : scope.entries) {
    if (entry.name == name && entry.variant == variant) return entry;
  }
  throw Error("no entry " + name + " " + variant);
}

TEST(RoutingGain, SetsNaiveAndFusedBesideDenseAndSoftInEveryScope) {
  SmallProblem dense("dense", 1, DType::kFloat32);
  SmallProblem soft("soft_moe", 1, DType::kFloat32);
  SmallProblem sparse("sparse_moe", 1, DType::kFloat32);
  const std::vector<GainScope> scopes = measure_routing_gain(
      {{"a", dense.model.get()}, {"b", soft.model.get()}, {"c", sparse.model.get()}}, kImage,
      kShort);
  ASSERT_EQ(scopes.size(), 3U);
  for (const GainScope& scope : scopes) {
    SCOPED_TRACE(scope.scope);
    EXPECT_EQ(scope.entries.size(), scope.scope == "layer" ? 5U : 4U);
    for (const GainEntry& entry : scope.entries) {
      EXPECT_EQ(entry.variant.empty(), entry.multiply_adds.routed == 0.0) << entry.name;
      ASSERT_EQ(entry.inference.size(), 2U) << entry.name;
      EXPECT_EQ(entry.inference[1].batch_size, 3);
      EXPECT_EQ(entry.inference[1].latency.seconds.size(), 2U);
      EXPECT_GT(entry.inference[1].latency.median(), 0.0);
    }
  }
  const double of_model = find(scopes[0], "c", "fused").multiply_adds.routed_share();
  const double of_head = find(scopes[1], "c", "mask_loop").multiply_adds.routed_share();
  const double of_layer = find(scopes[2], "sparse", "fused").multiply_adds.routed_share();
  EXPECT_LT(of_model, of_head);
  EXPECT_LT(of_head, of_layer);
  EXPECT_GT(of_layer, 0.98);

  const nlohmann::json json = to_json(scopes);
  EXPECT_EQ(json.at("scopes").at(1).at("scope"), "head");
  const nlohmann::json& entry = json.at("scopes").at(0).at("entries").at(3);
  EXPECT_EQ(entry.at("name"), "c");
  EXPECT_EQ(entry.at("variant"), "fused");
  EXPECT_EQ(entry.at("inference").at(0).at("batch_size"), 1);
}

TEST(RoutingGain, RefusesWhatItCannotMeasure) {
  SmallProblem dense("dense", 1, DType::kFloat32);
  EXPECT_THROW(measure_routing_gain({}, kImage, kShort), Error);
  EXPECT_THROW(
      measure_routing_gain({{"a", dense.model.get()}}, kImage, {.batch_sizes = {}, .timing = {}}),
      UsageError);
  EXPECT_THROW(measure_routing_gain({{"a", dense.model.get()}}, {8, 3}, kShort), Error);
}

TEST(TokenLayers, AllMakeAsManyNumbersAndDenseActiveCostsWhatTheExpertsDo) {
  const NoGrad no_grad;
  const Tensor x = random_normal({2, kTokensOfImage, kTokenWidth}, DType::kFloat32,
                                 Generator(1).next(2 * kTokensOfImage * kTokenWidth));
  const std::vector<TokenLayer> layers = make_token_layers(Device::kCpu);
  ASSERT_EQ(layers.size(), 4U);
  for (const TokenLayer& layer : layers) {
    EXPECT_EQ(layer.forward(x).numel(), x.numel()) << layer.name;
  }
  EXPECT_EQ(layers[0].multiply_adds.total(), 4.0 * layers[1].multiply_adds.total());
  EXPECT_EQ(layers[3].multiply_adds.routed, layers[1].multiply_adds.dense);
  EXPECT_EQ(layers[2].multiply_adds.routed, 0.0);
}

}  // namespace
}  // namespace switchyard

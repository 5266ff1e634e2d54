#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/autograd/grad.h"
#include "engine/nn/optimizer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "models/backbone.h"
#include "models/inference.h"
#include "models/state.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

// The small backbone whose last stage is a token MoE layer over patches.

namespace switchyard::test {
namespace {

using nlohmann::json;

ModelConfig patch_config() {
  ModelConfig config;
  config.backbone.name = "small_moe";
  return config;
}

TEST(PatchMoe, RoutesThePatchesOfTheLastMap) {
  const auto model = make_classifier(patch_config(), Generator(1));
  const ClassifierOutput output =
      model->forward(random_tensor({3, 32, 32, 3}, 1, DType::kFloat32), nn::Mode::evaluation());
  EXPECT_EQ(output.logits.shape(), (Shape{3, 10}));
  EXPECT_EQ(output.gate.probabilities.shape(), (Shape{3 * 16, 8}));
  EXPECT_EQ(output.gate.indices.shape(), (Shape{3 * 16, 2}));
  EXPECT_GT(output.balance_loss.item(), 0.0);
}

TEST(PatchMoe, LearnsABatchWithEveryGate) {
  for (const char* gate : {"topk_softmax", "sigmoid_renormalized", "expert_choice"}) {
    ModelConfig config = patch_config();
    config.backbone.moe.gate = gate;
    config.backbone.moe.expert_width = 16;
    const auto model = make_classifier(config, Generator(1));
    nn::Sgd sgd(model->parameters(), {});
    const Tensor images = random_tensor({8, 8, 8, 3}, 1, DType::kFloat32);
    const Tensor labels = Tensor::from<std::int64_t>({8}, {0, 1, 2, 3, 4, 5, 6, 7});
    Generator random(2);
    double first = 0.0, last = 0.0;
    for (int step = 0; step < 8; ++step) {
      const ClassifierOutput output = model->forward(images, nn::Mode::train(random));
      Tensor loss = cross_entropy(output.logits, labels);
      last = loss.item();
      if (step == 0) first = last;
      if (output.balance_loss) loss = loss + output.balance_loss;
      sgd.step(grad(loss, nn::tensors_of(sgd.parameters())), 0.02);
    }
    EXPECT_LT(last, 0.8 * first) << gate;
  }
}

TEST(PatchMoe, ItsStateRoundTripsThroughFileLayout) {
  ModelConfig config = patch_config();
  config.backbone.moe.gate = "sigmoid";
  const auto model = make_classifier(config, Generator(1));
  const auto other = make_classifier(config, Generator(2));
  const TensorMap state = state_dict(*model);
  EXPECT_TRUE(state.contains("backbone.backbone.layer3.0.moe.gate.balancing_bias"));
  EXPECT_EQ(state.at("backbone.backbone.layer3.0.moe.experts.7.w_in").shape(), (Shape{256, 128}));
  load_state_dict(*other, state, "file");
  const Tensor images = random_tensor({2, 32, 32, 3}, 1, DType::kFloat32);
  expect_same_bits(other->forward(images, nn::Mode::evaluation()).logits,
                   model->forward(images, nn::Mode::evaluation()).logits);
  InferencePlan plan(*model, 2);
  expect_same_bits(plan.logits(images), model->forward(images, nn::Mode::evaluation()).logits);
}

json parse(const char* backbone) {
  const json model = {{"backbone", json::parse(backbone)}, {"head", {{"name", "dense"}}}};
  return to_json(parse_model_config(model, "file.json")).at("backbone");
}

// Every field is away from its default, so that a field which is dropped shows.
TEST(PatchMoe, ItsConfigurationRoundTrips) {
  const char* const texts[] = {
      R"({"name": "small_moe", "in_channels": 1, "initialisation": "torchvision",
          "moe": {"gate": "softmax_topk", "experts": 12, "expert_width": 5, "top_k": 3,
                  "activation": "swiglu", "bias": false, "shared_experts": 2, "temperature": 2.5,
                  "noise": 0.5, "capacity": 9, "router_z": 0.001, "groups": 4, "chosen_groups": 2,
                  "importance": 0.125, "switch_balance": 0.25, "load": 0.0}})",
      R"({"name": "small_moe", "in_channels": 1, "initialisation": "torchvision",
          "moe": {"gate": "sigmoid", "experts": 12, "expert_width": 5, "top_k": 3,
                  "activation": "relu", "bias": false, "shared_experts": 2, "temperature": 2.5,
                  "noise": 0.5, "capacity": 9, "router_z": 0.001, "groups": 4, "chosen_groups": 2,
                  "importance": 0.125, "switch_balance": 0.25, "balancing_rate": 0.001}})",
      R"({"name": "small_moe", "in_channels": 1, "initialisation": "torchvision",
          "moe": {"gate": "expert_choice", "experts": 12, "expert_width": 5, "top_k": 3,
                  "activation": "swiglu", "bias": false, "shared_experts": 2, "temperature": 2.5,
                  "noise": 0.5, "capacity": 9, "router_z": 0.001}})"};
  for (const char* text : texts) EXPECT_EQ(parse(text), json::parse(text));
}

TEST(PatchMoe, ItsConfigurationIsValidated) {
  const auto refused = [](const char* backbone, const std::string& message) {
    expect_error<UsageError>([&] { parse(backbone); }, message);
  };
  refused(R"({"name": "small", "moe": {"experts": 4}})", "model.backbone.moe");
  refused(R"({"name": "small_moe", "moe": {"top_k": 9}})",
          "file.json: model.backbone.moe.top_k: must be between 1 and the 8 experts, got 9");
  refused(R"({"name": "small_moe", "moe": {"groups": 3}})",
          "model.backbone.moe.groups: must divide the 8 experts, got 3");
  refused(R"({"name": "small_moe", "moe": {"capacity": -1}})", "model.backbone.moe.capacity");
  refused(R"({"name": "small_moe", "moe": {"gate": "sigmoid", "load": 0.1}})",
          "model.backbone.moe.load");
  refused(R"({"name": "small_moe", "moe": {"gate": "expert_choice", "importance": 0.1}})",
          "model.backbone.moe.importance");
  refused(R"({"name": "small_moe", "moe": {"load": 0.1}})", "needs noise and a single group");
  ModelConfig two = patch_config();
  two.head.name = "sparse_moe";
  expect_error<UsageError>(
      [&] { check_model_config(two); },
      "model.head.name: must be dense behind the backbone small_moe, which has a gate, got "
      "sparse_moe");
}

}  // namespace
}  // namespace switchyard::test

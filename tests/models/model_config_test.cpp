#include "models/model_config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using nlohmann::json;

ModelConfig parse(const char* text) { return parse_model_config(json::parse(text), "file.json"); }

void expect_rejected(const char* text, const std::string& message) {
  test::expect_error<UsageError>([&] { parse(text); }, message);
}

TEST(ModelConfig, TheDesignsExampleParses) {
  const ModelConfig config = parse(R"({
    "backbone": {"name": "resnet18", "in_channels": 3},
    "head": {"name": "sparse_moe", "classes": 10, "experts": 8, "expert_width": 64, "top_k": 2,
             "temperature": 1.0, "dropout": 0.1, "gate_input_dropout": 0.1,
             "gate_logits_dropout": 0.1, "importance": 0.2, "load": 0.2}})");
  EXPECT_EQ(config.backbone.name, "resnet18");
  EXPECT_EQ(config.head.name, "sparse_moe");
  EXPECT_EQ(config.head.top_k, 2);
  EXPECT_EQ(config.head.importance, 0.2);
  EXPECT_EQ(config.head.capacity, 0);
}

TEST(ModelConfig, DefaultsArePublished) {
  const ModelConfig config = parse(R"({"head": {"name": "soft_moe"}})");
  EXPECT_EQ(config.backbone.name, "resnet18");
  EXPECT_EQ(config.head.experts, 8);
  EXPECT_EQ(config.head.expert_width, 64);
  EXPECT_EQ(config.head.balance, 0.0);
}

// Every field is away from its default, so that a field which is dropped shows.
TEST(ModelConfig, RoundTripsForEveryHead) {
  const char* const texts[] = {
      R"({"backbone": {"name": "small", "in_channels": 1, "initialisation": "torchvision"},
          "head": {"name": "dense", "classes": 7, "width": 33, "dropout": 0.25}})",
      R"({"backbone": {"name": "small", "in_channels": 1, "initialisation": "torchvision"},
          "head": {"name": "soft_moe", "classes": 7, "experts": 3, "expert_width": 5,
                   "temperature": 2.5, "dropout": 0.25, "gate_input_dropout": 0.5,
                   "gate_logits_dropout": 0.75, "balance": 0.05, "router_z": 0.001}})",
      R"({"backbone": {"name": "small", "in_channels": 1, "initialisation": "torchvision"},
          "head": {"name": "sparse_moe", "classes": 7, "experts": 3, "expert_width": 5, "top_k": 3,
                   "temperature": 2.5, "dropout": 0.25, "gate_input_dropout": 0.5,
                   "gate_logits_dropout": 0.75, "importance": 0.125, "load": 0.0625,
                   "load_estimator": "smooth", "switch_balance": 0.01, "router_z": 0.001,
                   "router_order": "softmax_topk", "capacity": 9}})",
      R"({"backbone": {"name": "small", "in_channels": 1, "initialisation": "torchvision"},
          "head": {"name": "hard_moe", "classes": 7, "experts": 3, "expert_width": 5,
                   "temperature": 2.5, "dropout": 0.25, "gate_input_dropout": 0.5,
                   "gate_logits_dropout": 0.75, "importance": 0.125, "load": 0.0625,
                   "load_estimator": "smooth", "switch_balance": 0.01, "router_z": 0.001,
                   "router_order": "softmax_topk_renormalized", "capacity": 9}})"};
  for (const char* text : texts) EXPECT_EQ(to_json(parse(text)), json::parse(text));
}

TEST(ModelConfig, RejectsFieldsOfOtherHeads) {
  expect_rejected(R"({"head": {"name": "dense", "experts": 8}})", "model.head.experts");
  expect_rejected(R"({"head": {"name": "soft_moe", "top_k": 2}})", "model.head.top_k");
  expect_rejected(R"({"head": {"name": "soft_moe", "importance": 0.1}})", "model.head.importance");
  expect_rejected(R"({"head": {"name": "sparse_moe", "balance": 0.1}})", "model.head.balance");
  expect_rejected(R"({"head": {"name": "hard_moe", "top_k": 2}})",
                  "model.head.top_k: must be at most 1, got 2");
}

TEST(ModelConfig, AHardHeadMaySayThatItPicksOneExpert) {
  const ModelConfig config = parse(R"({"head": {"name": "hard_moe", "top_k": 1}})");
  EXPECT_FALSE(to_json(config)["head"].contains("top_k"));
}

TEST(ModelConfig, SizesHaveUpperLimits) {
  expect_rejected(R"({"head": {"name": "soft_moe", "experts": 4097}})",
                  "model.head.experts: must be at most 4096, got 4097");
  expect_rejected(R"({"head": {"name": "soft_moe", "expert_width": 9223372036854775807}})",
                  "model.head.expert_width: must be at most 65536");
  expect_rejected(R"({"head": {"name": "dense", "width": 65537}})", "must be at most 65536");
  expect_rejected(R"({"head": {"name": "dense", "classes": 65537}})", "must be at most 65536");
  expect_rejected(R"({"head": {"name": "dense"}, "backbone": {"in_channels": 1025}})",
                  "model.backbone.in_channels: must be at most 1024");
  expect_rejected(R"({"head": {"name": "hard_moe", "capacity": 1000000001}})",
                  "model.head.capacity: must be at most 1000000000");
}

TEST(ModelConfig, RejectsUnknownFields) {
  expect_rejected(R"({"head": {"name": "dense", "widht": 8}})", "model.head.widht");
  expect_rejected(R"({"backbone": {"depth": 8}, "head": {"name": "dense"}})",
                  "model.backbone.depth");
  expect_rejected(R"({"head": {"name": "dense"}, "tail": {}})", "model.tail");
}

TEST(ModelConfig, RejectsWrongTypes) {
  expect_rejected(R"({"head": {"name": "sparse_moe", "top_k": "2"}})", "model.head.top_k");
  expect_rejected(R"({"head": {"name": "sparse_moe", "top_k": 2.5}})", "model.head.top_k");
  expect_rejected(R"({"head": {"name": 3}})", "model.head.name");
  expect_rejected(R"({"head": "dense"})", "model.head");
  expect_rejected(R"({"head": {"name": "dense"}, "backbone": []})", "model.backbone");
  expect_rejected(R"({})", "model.head");
  expect_rejected(R"({"head": {}})", "model.head.name");
}

TEST(ModelConfig, RejectsImpossibleValues) {
  expect_rejected(R"({"head": {"name": "sparse_moe", "experts": 4, "top_k": 5}})",
                  "file.json: model.head.top_k: must be between 1 and the 4 experts, got 5");
  expect_rejected(R"({"head": {"name": "sparse_moe", "top_k": 0}})", "model.head.top_k");
  expect_rejected(R"({"head": {"name": "soft_moe", "experts": 0}})", "model.head.experts");
  expect_rejected(R"({"head": {"name": "soft_moe", "experts": -1}})", "model.head.experts");
  expect_rejected(R"({"head": {"name": "soft_moe", "expert_width": 0}})",
                  "model.head.expert_width");
  expect_rejected(R"({"head": {"name": "dense", "width": 0}})", "model.head.width");
  expect_rejected(R"({"head": {"name": "dense", "classes": 0}})", "model.head.classes");
  expect_rejected(R"({"head": {"name": "dense", "dropout": 1.0}})", "model.head.dropout");
  expect_rejected(R"({"head": {"name": "dense", "dropout": -0.1}})", "model.head.dropout");
  expect_rejected(R"({"head": {"name": "soft_moe", "gate_input_dropout": 1}})",
                  "model.head.gate_input_dropout");
  expect_rejected(R"({"head": {"name": "soft_moe", "gate_logits_dropout": 1}})",
                  "model.head.gate_logits_dropout");
  expect_rejected(R"({"head": {"name": "soft_moe", "temperature": 0}})", "model.head.temperature");
  expect_rejected(R"({"head": {"name": "soft_moe", "balance": -1}})", "model.head.balance");
  expect_rejected(R"({"head": {"name": "soft_moe", "router_z": -1}})", "model.head.router_z");
  expect_rejected(R"({"head": {"name": "sparse_moe", "importance": -1}})", "model.head.importance");
  expect_rejected(R"({"head": {"name": "sparse_moe", "load": -1}})", "model.head.load");
  expect_rejected(R"({"head": {"name": "sparse_moe", "switch_balance": -1}})",
                  "model.head.switch_balance");
  expect_rejected(R"({"head": {"name": "sparse_moe", "capacity": -1}})", "model.head.capacity");
  expect_rejected(R"({"head": {"name": "sparse_moe", "load_estimator": "x"}})",
                  "model.head.load_estimator");
  expect_rejected(R"({"head": {"name": "sparse_moe", "router_order": "x"}})",
                  "model.head.router_order");
  expect_rejected(R"({"head": {"name": "transformer"}})", "model.head.name");
  expect_rejected(R"({"head": {"name": "dense"}, "backbone": {"name": "vgg"}})",
                  "model.backbone.name");
  expect_rejected(R"({"head": {"name": "dense"}, "backbone": {"in_channels": 0}})",
                  "model.backbone.in_channels");
  expect_rejected(R"({"head": {"name": "dense"}, "backbone": {"initialisation": "zeros"}})",
                  "model.backbone.initialisation");
}

TEST(ModelConfig, ProgramsAreCheckedToo) {
  ModelConfig config;
  config.head.name = "sparse_moe";
  config.head.top_k = 9;
  test::expect_error<UsageError>([&] { check_model_config(config); }, "model.head.top_k");
  config.head.name = "nonsense";
  test::expect_error<UsageError>([&] { check_model_config(config); }, "model.head.name");
}

}  // namespace
}  // namespace switchyard

#include "models/moe_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/models/moe_layer_support.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

constexpr std::int64_t kWidth = 6;
constexpr std::int64_t kOut = 4;

MoeConfig small_config(const std::string& gate, const std::string& activation) {
  MoeConfig config;
  config.gate = gate;
  config.activation = activation;
  config.experts = 5;
  config.expert_width = 3;
  return config;
}

Tensor run_layer(MoeLayer& layer, const Tensor& tokens) {
  return layer.forward(tokens, nn::Mode::evaluation()).y;
}

void expect_reference(MoeLayer& layer, const Tensor& tokens) {
  const Matrix expected = reference_moe(layer, to_matrix(tokens));
  std::vector<double> flat;
  for (const auto& row : expected) flat.insert(flat.end(), row.begin(), row.end());
  expect_close(run_layer(layer, tokens), flat, 1e-12);
}

class EveryGate : public testing::TestWithParam<std::tuple<std::string, const char*>> {
 protected:
  MoeConfig config() const {
    return small_config(std::get<0>(GetParam()), std::get<1>(GetParam()));
  }
};

TEST_P(EveryGate, MatchesItsDefinition) {
  for (const std::int64_t k : {1, 2, 5}) {
    for (const bool bias : {true, false}) {
      MoeConfig c = config();
      c.top_k = k;
      c.bias = bias;
      c.shared_experts = bias ? 2 : 0;
      c.temperature = 0.7;
      expect_reference(*random_moe_layer(c, kWidth, kOut, DType::kFloat64),
                       random_tensor({11, kWidth}, 9));
    }
  }
}

TEST_P(EveryGate, FirstAndSecondDerivativesMatchFiniteDifferences) {
  MoeConfig c = config();
  c.experts = 4;
  c.expert_width = 2;
  c.shared_experts = 1;
  c.router_z = 0.1;
  if (!c.is_expert_choice()) c.importance = c.switch_balance = 0.2;
  const auto layer = random_moe_layer(c, 2, 2, DType::kFloat64);
  const std::vector<Tensor> inputs = and_parameters({random_tensor({4, 2}, 9)}, *layer);
  const TensorFunction f = with_parameters(
      *layer,
      [&](std::span<const Tensor> in) {
        Generator random(5);
        const MoeOutput output = layer->forward(in[0], nn::Mode::train(random));
        return output.y + output.balance_loss;
      },
      1);
  for (const int order : {1, 2}) {
    const GradcheckResult result = gradcheck(f, inputs, {.order = order, .step = 1e-5});
    EXPECT_LT(result.error, 1e-6) << "order " << order << ", " << result.worst;
  }
}

INSTANTIATE_TEST_SUITE_P(MoeLayer, EveryGate,
                         testing::Combine(testing::ValuesIn(moe_gates()),
                                          testing::Values("relu", "gelu", "swiglu")),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" + std::get<1>(test.param);
                         });

TEST(MoeLayer, LimitsATokenToItsBestGroups) {
  for (const std::string& gate : moe_gates()) {
    if (gate == "expert_choice") continue;
    MoeConfig c = small_config(gate, "gelu");
    c.experts = 8;
    c.top_k = 3;
    for (const std::int64_t groups : {2, 4, 8}) {
      c.groups = groups;
      c.chosen_groups = groups / 2 == 1 ? 1 : groups / 2;
      const auto layer = random_moe_layer(c, kWidth, kOut, DType::kFloat64);
      const Tensor tokens = random_tensor({13, kWidth}, 9);
      expect_reference(*layer, tokens);
      const Tensor indices = layer->forward(tokens, nn::Mode::evaluation()).gate.indices;
      for (std::int64_t t = 0; t < 13; ++t) {
        std::vector<bool> used(static_cast<std::size_t>(groups), false);
        for (std::int64_t j = 0; j < 3; ++j) {
          used[static_cast<std::size_t>(indices.span<std::int64_t>()[t * 3 + j] * groups / 8)] =
              true;
        }
        EXPECT_LE(std::count(used.begin(), used.end(), true), c.chosen_groups) << gate;
      }
    }
  }
}

TEST(MoeLayer, ExpertsTakeAsManyTokensAsTheyAreTold) {
  MoeConfig c = small_config("expert_choice", "relu");
  c.capacity = 3;
  const auto layer = random_moe_layer(c, kWidth, kOut, DType::kFloat64);
  expect_reference(*layer, random_tensor({11, kWidth}, 9));
  expect_reference(*layer, random_tensor({2, kWidth}, 9));  // fewer tokens than that
}

/// k experts of exact ties go to the lowest indices; so do all tokens where the gate is zero.
TEST(MoeLayer, ExactTiesGoToTheLowerExperts) {
  for (const std::string& gate : moe_gates()) {
    if (gate == "expert_choice") continue;
    const auto layer = random_moe_layer(small_config(gate, "gelu"), kWidth, kOut, DType::kFloat64);
    for (const nn::NamedTensor& tensor : layer->parameters()) {
      if (tensor.name == "gate.weight") tensor.tensor->fill(0.0);
    }
    for (const nn::NamedTensor& tensor : layer->buffers()) tensor.tensor->fill(0.0);
    const MoeOutput output = layer->forward(random_tensor({7, kWidth}, 9), nn::Mode::evaluation());
    EXPECT_EQ(expert_loads(output.routing.offsets), (std::vector<std::int64_t>{7, 7, 0, 0, 0}));
    EXPECT_EQ(choice_margin(output.gate.logits, 2).to_doubles(), std::vector<double>(7, 0.0));
  }
}

TEST(MoeLayer, TakesAnyNumberOfTokensAndExperts) {
  for (const std::string& gate : moe_gates()) {
    for (const std::int64_t experts : {1, 7, 160, 256}) {
      MoeConfig c = small_config(gate, "swiglu");
      c.experts = experts;
      c.top_k = std::min<std::int64_t>(experts, 6);
      const auto layer = random_moe_layer(c, kWidth, kOut, DType::kFloat64);
      for (const std::int64_t tokens : {0, 1, 9}) {
        expect_reference(*layer, random_tensor({tokens, kWidth}, 9));
      }
    }
  }
}

TEST(MoeLayer, EmptyExpertsGetZeroGradients) {
  const auto layer =
      random_moe_layer(small_config("topk_softmax", "gelu"), kWidth, kOut, DType::kFloat64);
  const MoeOutput output = layer->forward(random_tensor({1, kWidth}, 9), nn::Mode::evaluation());
  const std::vector<std::int64_t> loads = expert_loads(output.routing.offsets);
  EXPECT_EQ(std::count(loads.begin(), loads.end(), 0), 3);
  const Tensor g = grad(sum(output.y), std::vector<Tensor>{layer->experts().w_in})[0];
  for (std::size_t e = 0; e < loads.size(); ++e) {
    const std::vector<double> mine = g.entry(static_cast<std::int64_t>(e)).to_doubles();
    const bool zero = std::all_of(mine.begin(), mine.end(), [](double x) { return x == 0.0; });
    EXPECT_EQ(zero, loads[e] == 0) << "expert " << e;
  }
}

TEST(MoeLayer, NamesItsTensorsByExpert) {
  MoeConfig c = small_config("sigmoid", "swiglu");
  c.experts = 2;
  c.shared_experts = 3;
  const auto layer = random_moe_layer(c, kWidth, kOut, DType::kFloat32);
  std::vector<std::string> names;
  for (const nn::PublishedTensor& tensor : nn::published(layer->parameters())) {
    names.push_back(tensor.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"experts.0.w_in", "experts.0.b_in", "experts.0.w_out",
                                             "experts.0.b_out", "experts.1.w_in", "experts.1.b_in",
                                             "experts.1.w_out", "experts.1.b_out", "shared.0.w_in",
                                             "shared.0.b_in", "shared.0.w_out", "shared.0.b_out",
                                             "gate.weight"}));
  ASSERT_EQ(layer->buffers().size(), 1U);
  EXPECT_EQ(layer->buffers()[0].name, "gate.balancing_bias");
  EXPECT_EQ(layer->shared_experts().w_in.shape(), (Shape{1, 2 * 3 * 3, kWidth}));
}

TEST(MoeLayer, RefusesWhatDoesNotFit) {
  const auto refused = [](auto&& change, const std::string& message) {
    MoeConfig c = small_config("topk_softmax", "gelu");
    change(c);
    Generator random(1);
    expect_error<UsageError>([&] { MoeLayer(c, kWidth, kOut, DType::kFloat32, random); }, message);
  };
  refused([](MoeConfig& c) { c.top_k = 0; },
          "[moe_layer] top_k: must be between 1 and the 5 experts, got 0");
  refused([](MoeConfig& c) { c.top_k = 6; }, "got 6");
  refused([](MoeConfig& c) { c.capacity = -1; },
          "[moe_layer] capacity: must be at least 0, got -1");
  refused([](MoeConfig& c) { c.groups = 2; },
          "[moe_layer] groups: must divide the 5 experts, got 2");
  refused([](MoeConfig& c) { c.groups = 5; },
          "[moe_layer] chosen_groups: 1 groups hold 1 experts, top_k is 2");
  refused([](MoeConfig& c) { c.load = 0.1; }, "[moe_layer] load: needs noise");
  refused([](MoeConfig& c) { c.gate = "best"; }, "[moe_layer] gate: ");
  refused([](MoeConfig& c) { c.activation = "tanh"; }, "[moe_layer] activation: ");

  const auto layer =
      random_moe_layer(small_config("topk_softmax", "gelu"), kWidth, kOut, DType::kFloat64);
  expect_error(
      [&] {
        run_layer(*layer, random_tensor({3, kWidth + 1}, 1));
      },
      "[moe_layer] tokens must be [T, 6], got [3, 7]");
}

TEST(MoeLayer, NamesTheRowOfLogitsThatCannotBeRanked) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const std::string& gate : moe_gates()) {
    for (const std::int64_t groups : {1, 5}) {
      MoeConfig c = small_config(gate, "gelu");
      if (groups > 1 && c.is_expert_choice()) continue;
      c.groups = groups;
      c.chosen_groups = groups > 1 ? 3 : 1;
      const auto layer = random_moe_layer(c, kWidth, kOut, DType::kFloat64);
      Tensor tokens = random_tensor({5, kWidth}, 9);
      tokens.data<double>()[3 * kWidth] = kNan;
      expect_error([&] { run_layer(*layer, tokens); }, "row 3 of the logits holds NaN");
    }
  }
}

}  // namespace
}  // namespace switchyard::test

#include "models/token_gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "models/balance.h"
#include "models/sparse_gate.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

MoeConfig config_of(const std::string& gate) {
  MoeConfig config;
  config.gate = gate;
  config.experts = 4;
  config.top_k = 1;
  return config;
}

/// A gate whose logits are the tokens themselves.
std::unique_ptr<TokenGate> identity_gate(const MoeConfig& config) {
  Generator random(1);
  auto gate = std::make_unique<TokenGate>(config, config.experts, DType::kFloat64, random);
  std::vector<double> one(static_cast<std::size_t>(config.experts * config.experts), 0.0);
  for (std::int64_t e = 0; e < config.experts; ++e) {
    one[static_cast<std::size_t>(e * (config.experts + 1))] = 1.0;
  }
  gate->parameters()[0].tensor->copy_from(Tensor::from({config.experts, config.experts}, one));
  return gate;
}

Tensor rows(const std::vector<double>& values) {
  return Tensor::from({static_cast<std::int64_t>(values.size()) / 4, 4}, values);
}

TEST(TokenGate, TheBiasSelectsAndTheScoreWeighs) {
  const auto gate = identity_gate(config_of("sigmoid"));
  gate->buffers()[0].tensor->copy_from(Tensor::from<double>({4}, {0.0, 0.0, 0.0, 0.9}));
  const RoutedTokens routed = gate->forward(rows({0.0, 1.0, 0.0, 0.0}), nn::Mode::evaluation());
  EXPECT_EQ(routed.gate.indices.to_doubles(), (std::vector<double>{3}));
  expect_close(routed.gate.weights, std::vector<double>{0.5}, 1e-15);
}

TEST(TokenGate, TheBiasMovesAgainstTheLoadInTrainingAlone) {
  MoeConfig config = config_of("sigmoid");
  config.balancing_rate = 0.125;
  const auto gate = identity_gate(config);
  // Loads 3, 1, 0, 0 of a mean of 1.
  const Tensor tokens = rows({5, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0, 0});
  gate->forward(tokens, nn::Mode::evaluation());
  EXPECT_EQ(gate->balancing_bias().to_doubles(), std::vector<double>(4, 0.0));
  Generator random(1);
  gate->forward(tokens, nn::Mode::train(random));
  EXPECT_EQ(gate->balancing_bias().to_doubles(), (std::vector<double>{-0.125, 0.0, 0.125, 0.125}));
}

TEST(TokenGate, TheBiasBalancesWithoutALoss) {
  MoeConfig config = config_of("sigmoid");
  config.balancing_rate = 0.01;
  const auto gate = identity_gate(config);
  // Expert 0 is everybody's best by a wide margin.
  const Tensor tokens =
      random_tensor({64, 4}, 3) * 0.1 + Tensor::from<double>({1, 4}, {2.0, 0.0, 0.0, -1.0});
  Generator random(1);
  std::vector<std::int64_t> loads;
  for (int step = 0; step < 200; ++step) {
    loads = expert_loads(gate->forward(tokens, nn::Mode::train(random)).routing.offsets);
    if (step == 0) {
      EXPECT_EQ(loads, (std::vector<std::int64_t>{64, 0, 0, 0}));
    }
  }
  for (const std::int64_t load : loads) EXPECT_GT(load, 4);
}

TEST(TokenGate, DropsByPositionBeyondTheCapacity) {
  MoeConfig config = config_of("topk_softmax");
  config.capacity = 2;
  const auto gate = identity_gate(config);
  const Tensor tokens = rows({5, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0, 0});
  const RoutedTokens routed = gate->forward(tokens, nn::Mode::evaluation());
  EXPECT_EQ(routed.gate.dropped, 1);
  EXPECT_EQ(expert_loads(routed.routing.offsets), (std::vector<std::int64_t>{2, 1, 0, 0}));
  EXPECT_EQ(routed.routing.inverse.to_doubles(), (std::vector<double>{0, 1, -1, 2}));
}

TEST(TokenGate, DrawsNoiseInTrainingAlone) {
  MoeConfig config = config_of("topk_softmax");
  config.noise = 0.5;
  const auto gate = identity_gate(config);
  const Tensor tokens = random_tensor({9, 4}, 2);
  expect_same_bits(gate->forward(tokens, nn::Mode::evaluation()).gate.logits, tokens);
  Generator random(1), again(1);
  const Tensor noisy = gate->forward(tokens, nn::Mode::train(random)).gate.logits;
  EXPECT_GT(relative_error(noisy, tokens), 0.1);
  expect_same_bits(gate->forward(tokens, nn::Mode::train(again)).gate.logits, noisy);
}

TEST(TokenGate, AddsUpItsBalanceLosses) {
  MoeConfig config = config_of("softmax_topk");
  config.top_k = 2;
  config.noise = 0.5;
  config.importance = 0.1;
  config.load = 0.2;
  config.switch_balance = 0.3;
  config.router_z = 0.4;
  const auto gate = identity_gate(config);
  const Tensor tokens = random_tensor({9, 4}, 2);
  Generator random(1);
  const RoutedTokens routed = gate->forward(tokens, nn::Mode::train(random));
  const Tensor& noisy = routed.gate.logits;
  const Tensor deviation = Tensor::full(tokens.shape(), 0.5, DType::kFloat64);
  const double expected = 0.1 * importance_cv2(routed.gate.probabilities).item() +
                          0.2 * load_cv2(smooth_load(tokens, noisy, deviation, 2)).item() +
                          0.3 * switch_balance(softmax(noisy), routed.gate.indices).item() +
                          0.4 * router_z(tokens).item();
  EXPECT_NEAR(routed.balance_loss.item(), expected, 1e-12);
}

TEST(TokenGate, AllTokensMayGoToOneExpert) {
  const auto gate = identity_gate(config_of("softmax_topk"));
  const RoutedTokens routed =
      gate->forward(rows({0, 0, 700, 0, 0, 0, 700, 0, 0, 0, 700, 0}), nn::Mode::evaluation());
  EXPECT_EQ(expert_loads(routed.routing.offsets), (std::vector<std::int64_t>{0, 0, 3, 0}));
  EXPECT_EQ(routed.gate.weights.to_doubles(), std::vector<double>(3, 1.0));
  EXPECT_EQ(gate_entropy(routed.gate.probabilities).to_doubles(), std::vector<double>(3, 0.0));
}

TEST(TokenGate, InfiniteLogitsAreRankedOrRefused) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  // The product with the gate's matrix would make NaN of an infinity: the logits are given.
  const Tensor one = rows({0.0, -kInf, -kInf, 1.0});
  const Choice choice = choose_experts(one, 2, "topk_softmax");
  EXPECT_EQ(choice.indices.to_doubles(), (std::vector<double>{3, 0}));
  expect_error([&] { choose_experts(rows({0.0, kInf, 0.0, 0.0}), 2, "topk_softmax"); }, "row 0");
  expect_error(
      [&] {
        choose_experts(rows({-kInf, -kInf, -kInf, -kInf}), 2, "softmax_topk");
      },
      "row 0");
}

TEST(GateOutput, MarginIsTheGapBehindTheLastChoice) {
  const Tensor logits = rows({4, 1, 3, 0.5, 2, 2, 2, 7});
  EXPECT_EQ(choice_margin(logits, 1).to_doubles(), (std::vector<double>{1, 5}));
  EXPECT_EQ(choice_margin(logits, 2).to_doubles(), (std::vector<double>{2, 0}));
  expect_error([&] { choice_margin(logits, 4); }, "[choice_margin] k is 4, expected 1 to 3");
}

TEST(GateOutput, EntropyIsThatOfEachRow) {
  const Tensor p = rows({0.5, 0.5, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25});
  expect_close(gate_entropy(p), std::vector<double>{std::log(2.0), std::log(4.0)}, 1e-14);
}

}  // namespace
}  // namespace switchyard::test

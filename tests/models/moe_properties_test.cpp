#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/ops/reduction.h"
#include "tests/models/moe_layer_support.h"
#include "tests/support/tensors.h"

// What holds of a token MoE layer whatever its numbers are.

namespace switchyard::test {
namespace {

constexpr std::int64_t kWidth = 24;
constexpr std::int64_t kTokens = 67;

MoeConfig config_of(const std::string& gate, std::int64_t capacity = 0) {
  MoeConfig config;
  config.gate = gate;
  config.experts = 7;
  config.expert_width = 40;
  config.top_k = 3;
  config.shared_experts = 1;
  config.capacity = capacity;
  return config;
}

/// Row `order[t]` of x at t.
Tensor reordered(const Tensor& x, const std::vector<std::int64_t>& order) {
  Tensor y = empty_like(x);
  for (std::size_t t = 0; t < order.size(); ++t) {
    y.entry(static_cast<std::int64_t>(t)).copy_from(x.entry(order[t]));
  }
  return y;
}

std::vector<std::int64_t> shuffled(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  for (std::int64_t t = 0; t < count; ++t) {
    order[static_cast<std::size_t>(t)] = (t * 29 + 11) % count;  // 29 and 67 have no common factor
  }
  return order;
}

class Gates : public testing::TestWithParam<std::string> {};

TEST_P(Gates, EveryKeptAssignmentHasExactlyOneSlot) {
  for (const std::int64_t capacity : {0, 5, 1000}) {
    const auto layer =
        random_moe_layer(config_of(GetParam(), capacity), kWidth, kWidth, DType::kFloat32);
    const Tensor tokens = random_tensor({kTokens, kWidth}, 9, DType::kFloat32);
    const MoeOutput output = layer->forward(tokens, nn::Mode::evaluation());
    const Routing& routing = output.routing;
    const auto inverse = routing.inverse.span<std::int64_t>();
    const auto permutation = routing.permutation.span<std::int64_t>();
    std::vector<int> used(permutation.size(), 0);
    for (std::size_t a = 0; a < inverse.size(); ++a) {
      if (inverse[a] < 0) continue;
      const auto slot = static_cast<std::size_t>(inverse[a]);
      ++used[slot];
      EXPECT_EQ(permutation[slot], static_cast<std::int64_t>(a));
    }
    EXPECT_EQ(used, std::vector<int>(used.size(), 1));
    const std::vector<std::int64_t> loads = expert_loads(routing.offsets);
    EXPECT_EQ(std::accumulate(loads.begin(), loads.end(), std::int64_t{0}),
              kTokens * routing.k - routing.dropped);
  }
}

TEST_P(Gates, TheOrderOfTheTokensChangesNoBit) {
  const auto layer = random_moe_layer(config_of(GetParam()), kWidth, kWidth, DType::kFloat32);
  const Tensor tokens = random_tensor({kTokens, kWidth}, 9, DType::kFloat32);
  const std::vector<std::int64_t> order = shuffled(kTokens);
  const Tensor y = layer->forward(tokens, nn::Mode::evaluation()).y;
  const Tensor other = layer->forward(reordered(tokens, order), nn::Mode::evaluation()).y;
  expect_same_bits(other, reordered(y, order));
}

TEST_P(Gates, TrainingWithoutNoiseHasTheBitsOfInference) {
  const auto layer = random_moe_layer(config_of(GetParam()), kWidth, kWidth, DType::kFloat32);
  const Tensor tokens = random_tensor({kTokens, kWidth}, 9, DType::kFloat32);
  Generator random(1);
  expect_same_bits(layer->forward(tokens, nn::Mode::train(random)).y,
                   layer->forward(tokens, nn::Mode::evaluation()).y);
}

/// The identity experts' result is each token times the sum of its weights, which is one.
TEST(MoeProperties, CombineAfterDispatchIsTheIdentity) {
  for (const char* gate : {"topk_softmax", "softmax_topk_renormalized", "sigmoid_renormalized"}) {
    const auto layer = random_moe_layer(config_of(gate), kWidth, kWidth, DType::kFloat64);
    const Tensor tokens = random_tensor({kTokens, kWidth}, 9);
    const MoeOutput output = layer->forward(tokens, nn::Mode::evaluation());
    expect_close(combine(dispatch(tokens, output.routing), output.gate.weights, output.routing),
                 tokens, 1e-14);
  }
}

INSTANTIATE_TEST_SUITE_P(MoeProperties, Gates, testing::ValuesIn(moe_gates()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace switchyard::test

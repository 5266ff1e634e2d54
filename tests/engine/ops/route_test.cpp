#include <gtest/gtest.h>

#include <limits>

#include "engine/ops/elementwise.h"
#include "engine/ops/gate.h"
#include "tests/support/devices.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

// From logits to slots in one call: the same as the gate and the routing one after the other.

namespace switchyard::test {
namespace {

void expect_same_routing(const Routing& a, const Routing& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.experts, b.experts);
  EXPECT_EQ(a.k, b.k);
  EXPECT_EQ(a.dropped, b.dropped);
  for (const auto part :
       {&Routing::indices, &Routing::offsets, &Routing::permutation, &Routing::inverse}) {
    expect_same_bits((a.*part).to(Device::kCpu), (b.*part).to(Device::kCpu));
  }
}

void expect_separate(const Tensor& logits, std::int64_t k, const GateDraw& draw = {},
                     std::int64_t capacity = 0) {
  for (const GateOrder order :
       {GateOrder::kTopKSoftmax, GateOrder::kSoftmaxTopK, GateOrder::kSoftmaxTopKRenormalized}) {
    const RoutedChoice routed = route(logits, k, order, draw, capacity);
    const Choice choice = gate(logits, k, order, draw);
    expect_same_bits(routed.choice.weights.to(Device::kCpu), choice.weights.to(Device::kCpu));
    expect_same_bits(routed.choice.values.to(Device::kCpu), choice.values.to(Device::kCpu));
    expect_same_routing(routed.routing, make_routing(choice.indices, logits.size(1), capacity));
    check_intact("test", routed.routing);
  }
}

TEST(Route, IsGateAndRouting) {
  for (const std::int64_t tokens : {0, 1, 7, 300, 2000}) {
    for (const std::int64_t experts : {1, 7, 160, 256}) {
      for (const std::int64_t k : {std::int64_t{1}, std::min<std::int64_t>(experts, 6)}) {
        expect_separate(random_tensor({tokens, experts}, 3, DType::kFloat32), k);
      }
    }
  }
  expect_separate(random_tensor({50, 7}, 3), 7);  // k = E
}

/// The rungs of the GPU in the executor: 256 tokens take one block, more take two kernels.
TEST(Route, IsGateAndRoutingOnTheExecutorToo) {
  SWITCHYARD_NEEDS_DEVICE(Device::kSimt);
  for (const std::int64_t tokens : {0, 1, 31, 256, 257, 1100}) {
    for (const std::int64_t experts : {3, 8, 16, 33, 160, 300}) {
      if (tokens * experts > 50'000) continue;
      const Tensor logits = random_tensor({tokens, experts}, 3, DType::kFloat32);
      expect_separate(logits.to(Device::kSimt), 2);
    }
  }
  expect_separate(Tensor::zeros({300, 8}, DType::kFloat32, Device::kSimt), 3);
}

TEST(Route, DrawsWhatTheGateDraws) {
  const Tensor logits = random_tensor({77, 9}, 3, DType::kFloat32);
  GateDraw draw;
  draw.deviation = Tensor::full(logits.shape(), 0.7, DType::kFloat32);
  draw.noise = {.seed = 3, .offset = 40};
  draw.dropout = 0.25;
  draw.mask = {.seed = 4, .offset = 80};
  draw.temperature = 0.8;
  expect_separate(logits, 2, draw);
  expect_separate(logits, 2, draw, 5);
}

TEST(Route, TiesAndOneExpertForAll) {
  expect_separate(Tensor::zeros({100, 8}, DType::kFloat32), 3);
  const Routing routing =
      route(Tensor::zeros({100, 8}, DType::kFloat32), 1, GateOrder::kTopKSoftmax).routing;
  EXPECT_EQ(routing.offsets.to_doubles(),
            (std::vector<double>{0, 100, 100, 100, 100, 100, 100, 100, 100}));
}

TEST(Route, CapacityDrops) {
  const Tensor logits = random_tensor({77, 9}, 3);
  expect_separate(logits, 2, {}, 10);
  EXPECT_EQ(route(logits, 2, GateOrder::kTopKSoftmax, {}, 10).routing.dropped,
            make_routing(top_k(logits, 2), 9, 10).dropped);
}

TEST(Route, NamesTheRowWithoutAChoice) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const double bad : {kInf, std::numeric_limits<double>::quiet_NaN()}) {
    Tensor logits = random_tensor({900, 3}, 1);
    logits.data<double>()[700 * 3 + 1] = bad;
    logits.data<double>()[450 * 3 + 1] = bad;
    expect_error([&] { route(logits, 1, GateOrder::kTopKSoftmax); },
                 "[route] row 450 of the logits holds NaN or +inf or nothing above -inf");
  }
}

TEST(Route, NamesTheArgumentInErrors) {
  const Tensor logits = random_tensor({2, 3}, 1);
  expect_error([&] { route(logits, 4, GateOrder::kTopKSoftmax); },
               "[route] k is 4, expected 1 to 3, the number of experts");
  expect_error([&] { route(logits, 1, GateOrder::kTopKSoftmax, {}, -1); },
               "capacity is -1, expected 0 (dropless) or more");
}

TEST(Route, ItsRoutingIsGuarded) {
  RoutedChoice routed = route(random_tensor({5, 3}, 1), 2, GateOrder::kTopKSoftmax);
  routed.routing.permutation.data<std::int64_t>()[0] = 0;
  expect_error(
      [&] {
        dispatch(random_tensor({5, 2}, 2), routed.routing);
      },
      "was overwritten in place");
}

TEST(ChooseTokens, EachExpertTakesItsBestTokens) {
  const Tensor scores = Tensor::from<double>({4, 2}, {0.1, 0.9, 0.5, 0.5, 0.8, 0.2, 0.5, 0.5});
  const Routing routing = choose_tokens(scores, 2);
  EXPECT_EQ(routing.offsets.to_doubles(), (std::vector<double>{0, 2, 4}));
  // Expert 0 takes tokens 2 and, of the equal ones, 1; expert 1 takes 0 and 1.
  EXPECT_EQ(routing.permutation.to_doubles(), (std::vector<double>{2, 4, 1, 3}));
  EXPECT_EQ(routing.inverse.to_doubles(), (std::vector<double>{-1, 2, 0, 3, 1, -1, -1, -1}));
  EXPECT_EQ(routing.dropped, 4);
  expect_error([&] { choose_tokens(scores, 5); },
               "[choose_tokens] an expert cannot take 5 of 4 tokens");
}

}  // namespace
}  // namespace switchyard::test

#include "engine/ops/moe.h"

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/core/memory.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

constexpr std::int64_t kTokens = 6;
constexpr std::int64_t kExperts = 3;
constexpr std::int64_t kWidth = 4;
constexpr std::int64_t kHidden = 5;

struct Layer {
  Routing routing;
  Tensor x, weights;
  ExpertParameters experts;

  explicit Layer(ExpertActivation activation = ExpertActivation::kRelu, bool biased = true)
      : routing(make_routing(top_k(random_tensor({kTokens, kExperts}, 1), 2), kExperts)),
        x(random_tensor({kTokens, kWidth}, 2)),
        weights(random_tensor({kTokens, 2}, 3)) {
    const std::int64_t wide = kernels::pre_activations(activation, kHidden);
    experts.w_in = random_tensor({kExperts, wide, kWidth}, 4);
    experts.w_out = random_tensor({kExperts, 2, kHidden}, 5);
    if (biased) experts.b_in = random_tensor({kExperts, wide}, 6);
    if (biased) experts.b_out = random_tensor({kExperts, 2}, 7);
    for (Tensor* leaf :
         {&x, &weights, &experts.w_in, &experts.w_out, &experts.b_in, &experts.b_out}) {
      if (leaf->defined()) leaf->set_requires_grad();
    }
  }
  std::vector<Tensor> leaves() const {
    std::vector<Tensor> all = {x, weights, experts.w_in, experts.w_out};
    if (experts.b_in.defined()) all.push_back(experts.b_in);
    if (experts.b_out.defined()) all.push_back(experts.b_out);
    return all;
  }
};

TEST(Moe, ItsGraphGivesTheSameGradientTwice) {
  const Layer layer;
  const Tensor loss =
      sum(moe(layer.x, layer.weights, layer.routing, layer.experts, ExpertActivation::kRelu));
  const std::vector<Tensor> first = grad(loss, layer.leaves(), {.retain_graph = true});
  const std::vector<Tensor> second = grad(loss, layer.leaves());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].to_doubles(), second[i].to_doubles()) << i;
  }
}

TEST(Moe, RecomputationChangesNoGradient) {
  for (const bool biased : {false, true}) {
    const Layer layer(ExpertActivation::kSwiGlu, biased);
    const auto gradients = [&](MoeSaves saves) {
      return grad(sum(moe(layer.x, layer.weights, layer.routing, layer.experts,
                          ExpertActivation::kSwiGlu, saves)),
                  layer.leaves());
    };
    const std::vector<Tensor> kept = gradients(MoeSaves::kPreActivations);
    const std::vector<Tensor> again = gradients(MoeSaves::kTokens);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].to_doubles(), again[i].to_doubles()) << i;
    }
  }
}

/// What a forward pass leaves: T·C for the result, S·H' for the pre-activations unless they are
/// computed again.
TEST(Moe, SavesThePreActivationsAndNoMore) {
  const auto left = [](MoeSaves saves) {
    constexpr std::int64_t kMany = 1024;
    const Routing routing = make_routing(top_k(random_tensor({kMany, kExperts}, 1), 2), kExperts);
    const Tensor x = random_tensor({kMany, 64}, 2);
    const Tensor weights = random_tensor({kMany, 2}, 3);
    Tensor w_in = random_tensor({kExperts, 128, 64}, 4).set_requires_grad();
    const Tensor w_out = random_tensor({kExperts, 64, 128}, 5);
    const std::size_t before = memory_stats(Device::kCpu).live;
    const Tensor y =
        moe(x, weights, routing, {.w_in = w_in, .w_out = w_out}, ExpertActivation::kGelu, saves);
    return memory_stats(Device::kCpu).live - before;
  };
  constexpr std::size_t kResult = 1024 * 64 * sizeof(double);
  constexpr std::size_t kPreActivations = 2048 * 128 * sizeof(double);
  constexpr std::size_t kRounding = 4096;  // to the allocator's blocks
  EXPECT_LE(left(MoeSaves::kTokens), kResult + kRounding);
  EXPECT_LE(left(MoeSaves::kPreActivations), kResult + kPreActivations + kRounding);
}

TEST(Moe, NamesTheSizesThatDoNotFit) {
  const Layer layer;
  const auto call = [&](const Tensor& x, const Tensor& weights, const ExpertParameters& experts,
                        ExpertActivation activation = ExpertActivation::kRelu) {
    return [=, &layer] { moe(x, weights, layer.routing, experts, activation); };
  };
  expect_error(call(random_tensor({5, kWidth}, 1), layer.weights, layer.experts),
               "[moe] needs a row for each of the routing's 6 tokens, got [5, 4]");
  expect_error(call(layer.x, random_tensor({kTokens, 3}, 1), layer.experts),
               "[moe] weights are [6, 3], the routing has 6 tokens and k = 2");
  ExpertParameters wrong = layer.experts;
  wrong.w_in = random_tensor({2, kHidden, kWidth}, 1);
  expect_error(call(layer.x, layer.weights, wrong), "the routing has 3 experts");
  wrong = layer.experts;
  wrong.w_in = random_tensor({kExperts, kHidden, 7}, 1);
  expect_error(call(layer.x, layer.weights, wrong), "[moe] w_in [3, 5, 7] does not take tokens");
  expect_error(call(layer.x, layer.weights, layer.experts, ExpertActivation::kSwiGlu),
               "[moe] w_in [3, 5, 4] makes 5 pre-activations, w_out [3, 2, 5] needs 10");
  wrong = layer.experts;
  wrong.b_out = random_tensor({kExperts, 3}, 1);
  expect_error(call(layer.x, layer.weights, wrong), "[moe] b_out is [3, 3], expected [3, 2]");
}

TEST(Moe, ARoutingOverwrittenInPlaceIsAnError) {
  Layer layer;
  const Tensor loss =
      sum(moe(layer.x, layer.weights, layer.routing, layer.experts, ExpertActivation::kRelu));
  layer.routing.inverse.data<std::int64_t>()[0] = 1;
  expect_error([&] { grad(loss, layer.leaves()); },
               "[moe] its routing of 6 tokens to 3 experts was overwritten in place");
}

}  // namespace
}  // namespace switchyard::test

#include "engine/ops/gate_backward.h"

#include <gtest/gtest.h>

#include "engine/autograd/gradcheck.h"
#include "engine/ops/gate.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"
#include "tests/support/devices.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

constexpr std::int64_t kTokens = 6;
constexpr std::int64_t kExperts = 5;

struct Choices {
  std::int64_t k;
  Device device = Device::kCpu;
  Tensor logits = random_tensor({kTokens, kExperts}, 1).to(device);
  Tensor indices = top_k(logits, k);
  Tensor weights = softmax(gather(logits, indices));
  Tensor gweights = random_tensor({kTokens, k}, 2).to(device);
};

void expect_composed(const Choices& c) {
  expect_close(topk_softmax_backward(c.gweights, c.weights, c.indices, kExperts),
               scatter_add(softmax_backward(c.gweights, c.weights), c.indices, kExperts), 1e-14);
  expect_close(softmax_topk_backward(c.gweights, c.logits, c.indices),
               softmax_backward(scatter_add(c.gweights, c.indices, kExperts), softmax(c.logits)),
               1e-14);
}

TEST(GateBackward, IsItsComposedForm) {
  for (const std::int64_t k : {1, 2, 5}) expect_composed({k});
}

class GateBackwardOn : public DeviceTest {};
TEST_P(GateBackwardOn, IsItsComposedForm) {
  for (const std::int64_t k : {1, 2, 5}) expect_composed({k, GetParam()});
}
INSTANTIATE_TEST_SUITE_P(Devices, GateBackwardOn, other_devices(), device_test_name);

/// A single choice over the kept weighs 1 whatever its logit is.
TEST(GateBackward, OfAHardChoiceIsZero) {
  const Choices c{1};
  const Tensor zeros = Tensor::zeros({kTokens, kExperts}, DType::kFloat64);
  EXPECT_EQ(topk_softmax_backward(c.gweights, c.weights, c.indices, kExperts).to_doubles(),
            zeros.to_doubles());
}

/// The weight of the second choice, not what 1 less that of the first leaves of it.
TEST(GateBackward, KeepsTheDigitsOfASureChoice) {
  const Tensor weights = Tensor::from({1, 2}, std::vector<float>{1.0F, 1e-12F});
  const Tensor gweights = Tensor::from({1, 2}, std::vector<float>{3.0F, 5.0F});
  const Tensor indices = Tensor::from({1, 2}, std::vector<std::int64_t>{2, 0});
  const std::vector<double> g = topk_softmax_backward(gweights, weights, indices, 3).to_doubles();
  EXPECT_NEAR(g[0], 2e-12, 1e-18);
  EXPECT_EQ(g[1], 0.0);
  EXPECT_NEAR(g[2], -2e-12, 1e-18);
}

/// Every order of every gate, the hard choice included, to the third derivative: two of the way
/// back.
TEST(GateBackward, DerivativesMatchFiniteDifferencesForEveryGate) {
  const Tensor logits = Tensor::from<double>(
      {3, 4}, {0.9, -1.1, 0.2, 2.1, -0.4, 1.3, 0.5, -2.0, 1.7, 0.1, -0.8, 0.9});
  for (const GateOrder order :
       {GateOrder::kTopKSoftmax, GateOrder::kSoftmaxTopK, GateOrder::kSoftmaxTopKRenormalized}) {
    for (const std::int64_t k : {1, 2, 4}) {
      const TensorFunction f = [&](std::span<const Tensor> in) {
        return gate(in[0], k, order).weights;
      };
      for (const int derivative : {1, 2, 3}) {
        const GradcheckResult result = gradcheck(f, {logits}, {.order = derivative});
        EXPECT_LE(result.error, 1e-8) << "gate " << static_cast<int>(order) << ", k " << k
                                      << ", order " << derivative << ", " << result.worst;
      }
    }
  }
}

TEST(GateBackward, ErrorsNameTheShapes) {
  const Choices c{2};
  expect_error([&] { topk_softmax_backward(c.gweights, c.logits, c.indices, kExperts); },
               "[topk_softmax_backward] gradients are [6, 2], weights [6, 5]");
  expect_error([&] { topk_softmax_backward(c.gweights, c.weights, c.indices, 1); },
               "[topk_softmax_backward] k is 2 of 1 experts");
  expect_error([&] { topk_softmax_backward(c.gweights, c.weights, c.weights, kExperts); },
               "[topk_softmax_backward] needs indices [6, 2] int64, got [6, 2] float64");
  expect_error(
      [&] {
        softmax_topk_backward(c.gweights, random_tensor({6, 1}, 1), c.indices);
      },
      "[softmax_topk_backward] gradients are [6, 2], values [6, 1]");
}

}  // namespace
}  // namespace switchyard::test

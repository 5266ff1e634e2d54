// Checks what a graph keeps alive, and for how long.

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"
#include "engine/core/memory.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/softmax.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Tensors = std::vector<Tensor>;

constexpr std::int64_t kSize = 100'000;
constexpr std::size_t kBytes = kSize * sizeof(double);  // of one tensor

std::size_t live() { return memory_stats(Device::kCpu).live; }

Tensor big_leaf() { return random_tensor({kSize}, 1).set_requires_grad(); }

TEST(GraphMemory, ReturnsWithTheLastHandle) {
  const Tensor x = big_leaf();
  const std::size_t before = live();
  {
    const Tensor y = sum(exp(tanh(x) * x));
    EXPECT_GT(live(), before + kBytes);
  }
  EXPECT_EQ(live(), before);
}

TEST(GraphMemory, ReturnsAfterHigherOrders) {
  const Tensor x = big_leaf();
  const std::size_t before = live();
  {
    // Rules that read their own outputs must not make a cycle.
    const Tensor y = sum(exp(sigmoid(x)) * softmax(x) / sqrt(square(x) + 1.0));
    const Tensor g = grad(y, Tensors{x}, {.create_graph = true})[0];
    const Tensor h = grad(dot(g, g), Tensors{x}, {.create_graph = true})[0];
    grad(dot(h, h), Tensors{x});
  }
  EXPECT_EQ(live(), before);
}

TEST(GraphMemory, DoesNotGrowOverProducts) {
  const Tensor x = random_tensor({100}, 1).set_requires_grad();
  const HessianOperator hessian(sum(exp(x) * sigmoid(x)), {x});
  const Tensors v = {random_tensor({100}, 2)};
  const Tensor first = hessian.apply(v)[0];
  const std::size_t before = live();
  for (int i = 0; i < 100; ++i) expect_same_bits(hessian.apply(v)[0], first);
  EXPECT_EQ(live(), before);
}

TEST(GraphMemory, AGradientFreesSavedTensorsAsItPasses) {
  const Tensor x = big_leaf();
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = tanh(y);  // each saves its output
  const Tensor loss = sum(y);
  y = Tensor();
  reset_peak_memory(Device::kCpu);
  const std::size_t held = live();
  grad(loss, Tensors{x});
  EXPECT_LT(live(), held - 18 * kBytes);  // though the graph's handle is still there
  // A few temporaries of the rule at hand, not one per operation.
  EXPECT_LT(memory_stats(Device::kCpu).peak, held + 8 * kBytes);
}

TEST(GraphMemory, AddingSavesNothing) {
  const Tensor x = big_leaf();
  const std::size_t before = live();
  Tensor y = x;
  for (int i = 0; i < 10; ++i) y = (y + x) * 0.5 - 1.0;
  EXPECT_LT(live(), before + 2 * kBytes);
  EXPECT_TRUE(y.requires_grad());
}

TEST(GraphMemory, AProductSavesOnlyWhatItsRuleReads) {
  const Tensor x = big_leaf();
  const Tensor constant = random_tensor({kSize}, 2);
  const std::size_t before = live();
  Tensor y = x;
  for (int i = 0; i < 10; ++i) y = y * constant;  // reads the constant, not y
  EXPECT_LT(live(), before + 2 * kBytes);
}

TEST(DeepGraph, OfAHundredThousandNodesDoesNotOverflowTheStack) {
  const Tensor x = Tensor::scalar(1.0, DType::kFloat64).set_requires_grad();
  const std::size_t before = live();
  {
    Tensor y = x;
    for (int i = 0; i < 100'000; ++i) y = affine(y, 1.0, 1e-5);
    const Tensor g = grad(square(y), Tensors{x}, {.create_graph = true})[0];
    EXPECT_NEAR(g.item(), 4.0, 1e-9);
    EXPECT_NEAR(grad(g, Tensors{x})[0].item(), 2.0, 1e-9);
    const Tensor unused = y * y;  // dies with its history still attached
  }
  EXPECT_EQ(live(), before);
}

}  // namespace
}  // namespace switchyard::test

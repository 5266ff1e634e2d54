#include "engine/autograd/waiting_sums.h"

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/autograd/gradcheck.h"
#include "engine/autograd/node.h"
#include "engine/autograd/observer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "kernels/api/profile.h"
#include "tests/support/tensors.h"

// Sums of gradients that a product's kernel goes on instead of leaving them to another.

namespace switchyard::test {
namespace {

using Tensors = std::vector<Tensor>;

Tensor leaf(const Shape& shape, std::uint64_t seed) {
  return random_tensor(shape, seed).set_requires_grad();
}

/// Sums that the gradient of `outputs` adds up by themselves.
std::int64_t separate_sums(const Tensors& outputs, const Tensors& inputs, const Tensors& cotangents,
                           GradOptions options = {.retain_graph = true}) {
  kernels::start_profile(false);
  grad(outputs, inputs, cotangents, options);
  kernels::stop_profile();
  std::int64_t calls = 0;
  for (const kernels::ProfileRow& row : kernels::profile().rows) {
    if (row.kernel == "map_binary") calls += row.calls;
  }
  return calls;
}

struct TwoProducts {
  Tensor x = leaf({5, 3}, 1), v = random_tensor({3, 4}, 2), w = random_tensor({2, 3}, 3);
  Tensor y = matmul(x, v), z = matmul(x, w, false, true);
  Tensors cotangents = {random_tensor({5, 4}, 4), random_tensor({5, 2}, 5)};
  Tensor expected() const {
    return matmul(cotangents[0], v, false, true) + matmul(cotangents[1], w);
  }
};

TEST(WaitingSums, AProductGoesOnTheSumOfOthers) {
  const TwoProducts p;
  for (const bool create_graph : {false, true}) {
    const GradOptions options = {.create_graph = create_graph, .retain_graph = true};
    EXPECT_EQ(separate_sums({p.y, p.z}, {p.x}, p.cotangents, options), 0);
    expect_close(grad(Tensors{p.y, p.z}, Tensors{p.x}, p.cotangents, options)[0], p.expected(),
                 1e-15);
  }
}

TEST(WaitingSums, OfOneTensorAsBothOperands) {
  const Tensor x = leaf({4, 4}, 1);
  const Tensor c = random_tensor({4, 4}, 2);
  const Tensor expected = matmul(c, x, false, true) + matmul(x, c, true, false);
  expect_close(grad(Tensors{matmul(x, x)}, Tensors{x}, Tensors{c})[0], expected, 1e-15);
}

/// What waits at x is the caller's own cotangent, which the product must not write to.
TEST(WaitingSums, OfOthersAreNotOverwritten) {
  const TwoProducts p;
  const Tensor at_x = random_tensor({5, 3}, 6);
  const Tensor before = at_x.clone();
  const Tensors cotangents = {at_x, p.cotangents[0], p.cotangents[1]};
  const Tensor g = grad(Tensors{p.x, p.y, p.z}, Tensors{p.x}, cotangents)[0];
  expect_same_bits(at_x, before);
  EXPECT_FALSE(shares_memory(g, at_x));
  expect_close(g, p.expected() + before, 1e-15);
}

/// x reaches the result through products and through a square, whose gradients meet at x in every
/// pass; w meets itself.
TEST(WaitingSums, DerivativesOfEveryOrderMatchFiniteDifferences) {
  const TensorFunction f = [](std::span<const Tensor> in) {
    const Tensor hidden = matmul(tanh(matmul(in[0], in[1])), in[1]);
    return hidden * in[0] + square(in[0]);
  };
  for (const int order : {1, 2, 3}) {
    const GradcheckResult result =
        gradcheck(f, {random_tensor({2, 3}, 1), random_tensor({3, 3}, 2)}, {.order = order});
    EXPECT_LE(result.error, 1e-9) << "order " << order << ", " << result.worst;
  }
}

/// In the second pass two products meet at the gradient of x wᵀ, at x and at w. The cotangent of
/// x wᵀ itself has one part of each pass, and square's rule adds nothing.
TEST(WaitingSums, AHessianVectorProductAddsWithinItsProducts) {
  const Tensor x = leaf({5, 3}, 1), w = leaf({2, 3}, 2);
  const Tensor y = matmul(x, w, false, true);
  const Tensors first =
      grad(Tensors{y}, Tensors{x, w}, Tensors{leaf({5, 2}, 3)}, {.create_graph = true});
  const Tensors directions = {random_tensor({5, 3}, 4), random_tensor({2, 3}, 5)};
  EXPECT_EQ(separate_sums(first, {x, w}, directions), 0);
  const Tensors once = grad(first, Tensors{x, w}, directions, {.retain_graph = true});
  const Tensors again = grad(first, Tensors{x, w}, directions, {.retain_graph = true});
  for (const std::size_t i : {0U, 1U}) expect_same_bits(once[i], again[i]);
}

/// Notes the gradients that rules of products return.
class Products : public Observer {
 public:
  void rule_returned(const Node& node, int /*pass*/, std::span<const Tensor> gradients) override {
    if (node.name() == "matmul") gradients_.push_back(gradients[0].clone());
  }
  const Tensors& gradients() const { return gradients_; }

 private:
  Tensors gradients_;
};

TEST(WaitingSums, AnObserverSeesARulesGradientByItself) {
  const TwoProducts p;
  Products products;
  Tensor sum;
  {
    const Observing observing(products);
    sum = grad(Tensors{p.y, p.z}, Tensors{p.x}, p.cotangents)[0];
  }
  ASSERT_EQ(products.gradients().size(), 2U);
  expect_close(products.gradients()[0] + products.gradients()[1], p.expected(), 1e-15);
  expect_close(sum, p.expected(), 1e-15);
}

TEST(WaitingSums, NothingWaitsOutsideOfGrad) {
  const TwoProducts p;
  const Node& node = *p.y.node();
  const Tensors outputs = {p.y};
  const std::vector<bool> needed = {true, true};
  const Vjp alone(node, node.inputs(), outputs, p.cotangents, needed);
  EXPECT_FALSE(alone.take_waiting(0).defined());
}

}  // namespace
}  // namespace switchyard::test

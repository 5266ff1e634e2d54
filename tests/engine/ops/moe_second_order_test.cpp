#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "engine/autograd/grad.h"
#include "engine/autograd/gradcheck.h"
#include "engine/autograd/hvp.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/moe.h"
#include "engine/ops/reduction.h"
#include "kernels/api/profile.h"
#include "tests/support/tensors.h"

// Derivatives of the token MoE layer of second and third order, against those of its composed form.

namespace switchyard::test {
namespace {

constexpr std::int64_t kTokens = 23;
constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kWidth = 6;
constexpr std::int64_t kHidden = 7;
constexpr std::int64_t kOut = 4;

using Inputs = std::span<const Tensor>;

/// One layer, whose inputs are tokens, weights, matrices and biases.
struct Layer {
  ExpertActivation activation;
  bool biased;
  MoeSaves saves = MoeSaves::kPreActivations;
  std::int64_t capacity = 0;
  std::int64_t tokens = kTokens;

  Routing routing() const {
    return make_routing(top_k(random_tensor({tokens, kExperts}, 1), 2), kExperts, capacity);
  }
  std::vector<Tensor> inputs(DType dtype = DType::kFloat64) const {
    const std::int64_t wide = kernels::pre_activations(activation, kHidden);
    std::vector<Shape> shapes = {
        {tokens, kWidth}, {tokens, 2}, {kExperts, wide, kWidth}, {kExperts, kOut, kHidden}};
    if (biased) shapes.insert(shapes.end(), {{kExperts, wide}, {kExperts, kOut}});
    std::vector<Tensor> inputs;
    for (const Shape& shape : shapes) {
      inputs.push_back(random_tensor(shape, 2 + inputs.size(), dtype));
    }
    return inputs;
  }
  ExpertParameters experts(Inputs in) const {
    return {.w_in = in[2],
            .b_in = biased ? in[4] : Tensor(),
            .w_out = in[3],
            .b_out = biased ? in[5] : Tensor()};
  }
  Tensor fused(Inputs in, const Routing& routing) const {
    return moe(in[0], in[1], routing, experts(in), activation, saves);
  }
  Tensor composed(Inputs in, const Routing& routing) const {
    return moe_composed(in[0], in[1], routing, experts(in), activation);
  }
};

std::vector<Layer> layers() {
  std::vector<Layer> all;
  for (const auto activation :
       {ExpertActivation::kRelu, ExpertActivation::kGelu, ExpertActivation::kSwiGlu}) {
    for (const bool biased : {true, false}) {
      for (const auto saves : {MoeSaves::kPreActivations, MoeSaves::kTokens}) {
        all.push_back({activation, biased, saves});
        all.push_back({activation, biased, saves, 3});
      }
    }
  }
  return all;
}

/// A loss that bends in the layer's result, so that the cotangent of the result depends on the
/// inputs as well.
Tensor loss_of(const Tensor& y) { return sum(square(y)) + sum(tanh(y)); }

std::vector<Tensor> leaves_of(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) leaves.push_back(input.detach().set_requires_grad());
  return leaves;
}

std::vector<Tensor> directions(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> v;
  for (const Tensor& input : inputs) {
    v.push_back(random_tensor(input.shape(), 50 + v.size(), input.dtype()));
  }
  return v;
}

void expect_all_close(const std::vector<Tensor>& a, const std::vector<Tensor>& b, double bound) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i);
    expect_close(a[i], b[i], bound);
  }
}

TEST(MoeSecondOrder, HessianVectorProductsAreThoseOfTheComposedForm) {
  for (const Layer& layer : layers()) {
    const Routing routing = layer.routing();
    const std::vector<Tensor> inputs = layer.inputs();
    const std::vector<Tensor> v = directions(inputs);
    const std::vector<Tensor> one = leaves_of(inputs);
    const std::vector<Tensor> other = leaves_of(inputs);
    poison_free_memory();
    const HessianOperator hessian(loss_of(layer.fused(one, routing)), one);
    expect_all_close(hessian.apply(v), hvp(loss_of(layer.composed(other, routing)), other, v),
                     1e-12);
    expect_all_close(hessian.apply(v), hessian.apply(v), 0.0);  // the kept graph is still there
  }
}

/// Parts of the direction and of the results that nobody gives or wants.
TEST(MoeSecondOrder, AnyPartOfTheInputsMayBeFixed) {
  const Layer layer = {ExpertActivation::kSwiGlu, true};
  const Routing routing = layer.routing();
  for (std::size_t fixed = 1; fixed < 63; fixed += 5) {
    SCOPED_TRACE(fixed);
    const auto product = [&](bool composed) {
      std::vector<Tensor> inputs = layer.inputs();
      std::vector<Tensor> varied;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if ((fixed >> i) % 2 == 1) continue;
        inputs[i].set_requires_grad();
        varied.push_back(inputs[i]);
      }
      const Tensor y = composed ? layer.composed(inputs, routing) : layer.fused(inputs, routing);
      return hvp(loss_of(y), varied, directions(varied));
    };
    expect_all_close(product(false), product(true), 1e-12);
  }
}

TEST(MoeSecondOrder, Float32AgreesWithFloat64) {
  for (const auto activation : {ExpertActivation::kGelu, ExpertActivation::kSwiGlu}) {
    const Layer layer = {activation, true};
    const Routing routing = layer.routing();
    const auto product = [&](DType dtype) {
      const std::vector<Tensor> leaves = leaves_of(layer.inputs(DType::kFloat32));
      std::vector<Tensor> inputs;
      for (const Tensor& leaf : leaves) inputs.push_back(leaf.to(dtype));
      inputs = leaves_of(inputs);
      std::vector<Tensor> v;
      for (const Tensor& d : directions(leaves)) v.push_back(d.to(dtype));
      return hvp(sum(square(layer.fused(inputs, routing))), inputs, v);
    };
    expect_all_close(product(DType::kFloat32), product(DType::kFloat64), 1e-5);
  }
}

TEST(MoeSecondOrder, ThirdDerivativesMatchFiniteDifferences) {
  for (const auto activation : {ExpertActivation::kGelu, ExpertActivation::kSwiGlu}) {
    const Layer layer = {.activation = activation, .biased = true, .tokens = 3};
    const Routing routing = layer.routing();
    const GradcheckResult result = gradcheck([&](Inputs in) { return layer.fused(in, routing); },
                                             layer.inputs(), {.order = 3});
    EXPECT_LT(result.error, 1e-7) << result.worst;
  }
}

/// Calls of each kernel while `body` runs.
std::int64_t calls_of(const std::string& kernel, const std::function<void()>& body) {
  kernels::start_profile(false);
  body();
  kernels::stop_profile();
  std::int64_t calls = 0;
  for (const kernels::ProfileRow& row : kernels::profile().rows) {
    if (row.kernel == kernel) calls += static_cast<std::int64_t>(row.calls);
  }
  return calls;
}

TEST(MoeSecondOrder, AProductOnAKeptGraphIsOneKernel) {
  const Layer layer = {ExpertActivation::kSwiGlu, true};
  const std::vector<Tensor> leaves = leaves_of(layer.inputs());
  const std::vector<Tensor> v = directions(leaves);
  const Tensor loss = sum(square(layer.fused(leaves, layer.routing())));
  const HessianOperator hessian(loss, leaves);
  const auto product = [&] { hessian.apply(v); };
  EXPECT_EQ(calls_of("moe_double_backward", product), 1);
  EXPECT_EQ(calls_of("moe_backward", product), 1);  // of y, whose gradient the loss bends
  EXPECT_EQ(calls_of("grouped_matmul", product), 0);
}

}  // namespace
}  // namespace switchyard::test

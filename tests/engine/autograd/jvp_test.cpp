// jvp() against finite differences, and against vector-Jacobian products, for every operation.

#include "engine/autograd/jvp.h"

#include <gtest/gtest.h>

#include "engine/autograd/contraction.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Tensors = std::vector<Tensor>;

double inner(const Tensors& a, const Tensors& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += inner_product(a[i].to_doubles(), b[i].to_doubles());
  }
  return sum;
}

double norm(const Tensors& a) { return std::sqrt(inner(a, a)); }

Tensors tangents_of(const Tensors& inputs, std::uint64_t seed) {
  Tensors tangents;
  for (const Tensor& x : inputs) tangents.push_back(random_tensor(x.shape(), ++seed));
  return tangents;
}

TEST(Jvp, OfEveryOperationIsTheTransposeOfItsVjp) {
  for (const OpCase& each : op_cases()) {
    CaseSource source{Generator(3)};
    const OpSample sample = each.sample(std::max<std::int64_t>(5, each.smallest), source);
    const Tensors leaves = as_leaves(sample.inputs);
    const Tensors y = {sample.function(leaves)};
    const Tensors v = tangents_of(leaves, 10);
    const Tensors u = {random_tensor(y[0].shape(), 30)};
    const Tensors forward = jvp(y, leaves, v);
    const Tensors back = grad(y, leaves, u, {.retain_graph = true});
    EXPECT_NEAR(inner(u, forward), inner(back, v), 1e-10 * norm(back) * norm(v)) << each.name;
  }
}

TEST(Jvp, OfEveryOperationIsItsDirectionalDerivative) {
  for (const OpCase& each : op_cases()) {
    CaseSource source{Generator(4)};
    const OpSample sample = each.sample(std::max<std::int64_t>(3, each.smallest), source);
    const Tensors v = tangents_of(sample.inputs, 10);
    const Tensors leaves = as_leaves(sample.inputs);
    const Tensors y = {sample.function(leaves)};
    const Tensor product = jvp(y, leaves, v)[0];
    const Tensor u = random_tensor(y[0].shape(), 30);
    const double numeric = five_point_difference(
        [&](double distance) {
          Tensors moved;
          for (std::size_t i = 0; i < v.size(); ++i) {
            moved.push_back(sample.inputs[i] + distance * v[i]);
          }
          return inner({u}, {sample.function(moved)});
        },
        1e-3);
    const double scale = std::max(norm({u}) * norm({product}), 0.01);
    EXPECT_NEAR(inner({u}, {product}), numeric, 1e-8 * scale) << each.name;
  }
}

TEST(Jvp, OfAGradientIsTheHessiansProduct) {
  for (const OpCase& each : op_cases()) {
    CaseSource source{Generator(5)};
    const OpSample sample = each.sample(std::max<std::int64_t>(3, each.smallest), source);
    const Tensors leaves = as_leaves(sample.inputs);
    const Tensor y = tanh(sample.function(leaves));
    const Tensor loss = dot(y, random_tensor(y.shape(), 31));
    const Tensors v = tangents_of(leaves, 10);
    const Tensors gradient = grad(loss, leaves, {.create_graph = true});
    const Tensors forward_over_reverse = jvp(gradient, leaves, v);
    const Tensors reverse_over_reverse = hvp(loss, leaves, v);
    Tensors difference;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      difference.push_back(forward_over_reverse[i] - reverse_over_reverse[i]);
    }
    EXPECT_LE(norm(difference), 1e-10 * std::max(norm(reverse_over_reverse), 0.01)) << each.name;
  }
}

TEST(Jvp, OfSeveralOutputsSomeOfWhichDependOnNothing) {
  const Tensor x = random_tensor({3}, 1).set_requires_grad();
  const Tensor z = random_tensor({2}, 2).set_requires_grad();
  const Tensor v = random_tensor({3}, 3);
  const Tensor constant = random_tensor({2}, 4);
  const Tensors products = jvp(Tensors{square(x), constant, exp(z)}, Tensors{x}, Tensors{v});
  expect_close(products[0], 2.0 * x.detach() * v, 1e-14);
  EXPECT_EQ(products[1].to_doubles(), (std::vector<double>{0.0, 0.0}));
  EXPECT_EQ(products[2].to_doubles(), (std::vector<double>{0.0, 0.0}));
}

TEST(Jvp, WithRespectToAnIntermediateResult) {
  const Tensor x = random_tensor({3}, 1).set_requires_grad();
  const Tensor y = exp(x);
  const Tensor v = random_tensor({3}, 2);
  expect_close(jvp(Tensors{square(y)}, Tensors{y}, Tensors{v})[0], 2.0 * y.detach() * v, 1e-14);
}

TEST(Jvp, SaysWhatIsWrong) {
  const Tensor x = random_tensor({3}, 1).set_requires_grad();
  const Tensors y = {exp(x)};
  expect_error([&] { jvp(y, Tensors{x}, {}); }, "[jvp] 0 tangents for 1 inputs");
  expect_error([&] { jvp(y, Tensors{x}, Tensors{random_tensor({2}, 1)}); },
               "[jvp] tangent 0 has shape [2], its input [3]");
  expect_error([&] { jvp(y, Tensors{x}, Tensors{random_tensor({3}, 1, DType::kFloat32)}); },
               "[jvp] dtypes differ");
}

}  // namespace
}  // namespace switchyard::test

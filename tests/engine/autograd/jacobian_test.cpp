#include "engine/autograd/jacobian.h"

#include <gtest/gtest.h>

#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

/// y = exp(x wᵀ + b) with a parameter beside it that y does not depend on.
struct Problem {
  Tensor x = random_tensor({4, 3}, 1, DType::kFloat64);
  std::vector<Tensor> parameters = {random_tensor({2, 3}, 2, DType::kFloat64).set_requires_grad(),
                                    random_tensor({2}, 3, DType::kFloat64).set_requires_grad(),
                                    random_tensor({5}, 4, DType::kFloat64).set_requires_grad()};
  Tensor output() const { return exp(linear(x, parameters[0], parameters[1])); }
};

TEST(Jacobian, ProductIsTheDirectionalDerivative) {
  const Problem problem;
  const JacobianOperator jacobian(problem.output(), problem.parameters);
  const std::vector<Tensor> v = {random_tensor({2, 3}, 5, DType::kFloat64),
                                 random_tensor({2}, 6, DType::kFloat64),
                                 random_tensor({5}, 7, DType::kFloat64)};
  const Tensor expected = problem.output().detach() * linear(problem.x, v[0], v[1]);
  expect_close(jacobian.apply(v), expected, 1e-13);
  expect_close(jacobian.apply(v), expected, 1e-13);  // the graph is kept
  EXPECT_FALSE(jacobian.apply(v).requires_grad());
}

TEST(Jacobian, TransposeIsTheAdjoint) {
  const Problem problem;
  const JacobianOperator jacobian(problem.output(), problem.parameters);
  const Tensor u = random_tensor({4, 2}, 8, DType::kFloat64);
  const std::vector<Tensor> got = jacobian.apply_transpose(u);
  const Tensor inner = problem.output().detach() * u;
  expect_close(got[0], matmul(inner, problem.x, true, false), 1e-13);
  expect_close(got[2], Tensor::zeros({5}, DType::kFloat64), 1e-13);
}

TEST(Jacobian, RefusesVectorsThatDoNotFit) {
  const Problem problem;
  const JacobianOperator jacobian(problem.output(), problem.parameters);
  expect_error([&] { jacobian.apply({}); }, "0 vectors for 3 parameters");
  std::vector<Tensor> v = {random_tensor({2, 3}, 5, DType::kFloat64),
                           random_tensor({3}, 6, DType::kFloat64),
                           random_tensor({5}, 7, DType::kFloat64)};
  expect_error([&] { jacobian.apply(v); }, "vector 1 is float64 [3]");
}

}  // namespace
}  // namespace switchyard::test

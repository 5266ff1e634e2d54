#include "engine/autograd/accumulate.h"

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/ops/elementwise.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

TEST(AddInPlace, AddsWithoutHistory) {
  Tensor target = random_tensor({40001}, 1, DType::kFloat32);
  Tensor x = random_tensor({40001}, 2, DType::kFloat32);
  const Tensor expected = target + x;
  const float* where = target.data<float>();
  x.set_requires_grad();
  add_in_place(target, x);
  expect_same_bits(target, expected);
  EXPECT_EQ(target.data<float>(), where);
  EXPECT_FALSE(target.requires_grad());
}

TEST(Accumulate, IsADifferentiableSum) {
  const Tensor a = random_tensor({31, 3}, 1).set_requires_grad();
  const Tensor b = random_tensor({31, 3}, 2).set_requires_grad();
  const Tensor cotangent = random_tensor({31, 3}, 3);
  const Tensor total = accumulate(a, b);
  expect_same_bits(total, a + b);
  for (const Tensor& gradient :
       grad(std::vector{total}, std::vector{a, b}, std::vector{cotangent})) {
    expect_same_bits(gradient, cotangent);
  }
}

TEST(Accumulate, SaysWhatDiffers) {
  Tensor a = random_tensor({2, 3}, 1);
  expect_error(
      [&] {
        accumulate(a, random_tensor({2, 4}, 1));
      },
      "[accumulate] shapes differ: [2, 3] and [2, 4]");
  expect_error(
      [&] {
        add_in_place(a, random_tensor({2, 3}, 1, DType::kFloat32));
      },
      "[accumulate] dtypes differ");
}

}  // namespace
}  // namespace switchyard::test

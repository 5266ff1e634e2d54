#include "engine/ops/matmul.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

Tensor zeros(const Shape& shape, DType dtype = DType::kFloat32) {
  return Tensor::zeros(shape, dtype);
}

Tensor offsets(const std::vector<std::int64_t>& values) {
  return Tensor::from({static_cast<std::int64_t>(values.size())}, values);
}

TEST(Matmul, ErrorsNameTheShapes) {
  expect_error(
      [] {
        matmul(zeros({2, 3}), zeros({2, 3}));
      },
      "[matmul] inner sizes differ: [2, 3] times [2, 3]");
  expect_error(
      [] {
        matmul(zeros({2, 3}), zeros({3, 3}), true, true);
      },
      "[matmul] inner sizes differ: [2, 3] transposed times [3, 3] transposed");
  expect_error(
      [] {
        matmul(zeros({3}), zeros({3, 2}));
      },
      "[matmul] needs two matrices, got [3] and [3, 2]");
  expect_error(
      [] {
        matmul(zeros({2, 3}), zeros({3, 2}, DType::kFloat64));
      },
      "[matmul] dtypes differ: float32 and float64");
  expect_error(
      [] {
        matmul(zeros({2, 3}, DType::kInt64), zeros({3, 2}, DType::kInt64));
      },
      "[matmul] needs float32 or float64, got int64");
}

TEST(MatmulAdd, ErrorsNameTheShapes) {
  const auto refused = [](const Tensor& addend, const Tensor& b, std::string_view text) {
    expect_error([&] { matmul_add(addend, zeros({2, 3}), b); }, std::string(text));
  };
  refused(zeros({2, 4}), zeros({2, 4}), "[matmul_add] inner sizes differ: [2, 3] times [2, 4]");
  refused(zeros({4}), zeros({3, 4}),
          "[matmul_add] the addend is [4] float32, the product [2, 4] float32");
  refused(zeros({2, 4}, DType::kFloat64), zeros({3, 4}),
          "[matmul_add] the addend is [2, 4] float64, the product [2, 4] float32");
}

TEST(Linear, ErrorsNameTheShapes) {
  expect_error(
      [] {
        linear(zeros({2, 3}), zeros({4, 5}), {});
      },
      "[linear] needs x [N, in] and w [out, in], got [2, 3] and [4, 5]");
  expect_error(
      [] {
        linear(zeros({2, 3}), zeros({4, 3}), zeros({3}));
      },
      "[linear] bias is [3], expected [4] for w [4, 3]");
}

TEST(Linear, BiasIsOptional) {
  const Tensor x = random_tensor({3, 5}, 1);
  const Tensor w = random_tensor({2, 5}, 2);
  expect_same_bits(linear(x, w, {}), matmul(x, w, false, true));
}

TEST(GroupedMatmul, ErrorsNameTheShapesAndOffsets) {
  const Tensor x = zeros({5, 3});
  const Tensor w = zeros({2, 3, 4});
  expect_error(
      [&] {
        grouped_matmul(x, zeros({3, 4}), offsets({0, 5}));
      },
      "[grouped_matmul] needs x [S, K] and w [E, K, N], got [5, 3] [3, 4]");
  expect_error(
      [&] {
        grouped_matmul(x, w, offsets({0, 2, 5}), true);
      },
      "[grouped_matmul] inner sizes differ: x [5, 3] times w [2, 3, 4] transposed");
  expect_error(
      [&] {
        grouped_matmul(x, w, offsets({0, 2, 4}));
      },
      "[grouped_matmul] offsets run from 0 to 4, expected 0 to 5 rows");
  expect_error([&] { grouped_matmul(x, w, offsets({1, 2, 5})); }, "offsets run from 1 to 5");
  expect_error(
      [&] {
        grouped_matmul(x, w, offsets({0, 5}));
      },
      "[grouped_matmul] offsets [2] do not fit w [2, 3, 4]");
  expect_error(
      [&] {
        grouped_matmul(x, zeros({3, 3, 4}), offsets({0, 4, 2, 5}));
      },
      "[grouped_matmul] offsets descend at expert 1: 4 to 2");
  expect_error([&] { grouped_matmul(x, w, zeros({3})); },
               "[grouped_matmul] offsets must be a row of [experts + 1] int64");
  expect_error(
      [&] {
        grouped_matmul_weight_grad(x, zeros({4, 2}), offsets({0, 2, 5}));
      },
      "[grouped_matmul_weight_grad] needs x [S, K] and gy [S, N], got [5, 3] and [4, 2]");
  expect_error(
      [&] {
        grouped_matmul_weight_grad(x, zeros({5, 2}), offsets({0, 6}));
      },
      "[grouped_matmul_weight_grad] offsets run from 0 to 6, expected 0 to 5 rows");
}

}  // namespace
}  // namespace switchyard::test

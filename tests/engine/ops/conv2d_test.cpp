#include "engine/ops/conv2d.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

Tensor zeros(const Shape& shape, DType dtype = DType::kFloat32) {
  return Tensor::zeros(shape, dtype);
}

TEST(Conv2d, ShapesFollowStrideAndPadding) {
  const Tensor w = zeros({4, 3, 3, 2});
  EXPECT_EQ(conv2d(zeros({5, 8, 7, 2}), w, {}).shape(), (Shape{5, 6, 5, 4}));
  EXPECT_EQ(conv2d(zeros({5, 8, 7, 2}), w, {.stride = 2, .padding = 1}).shape(),
            (Shape{5, 4, 4, 4}));
  EXPECT_EQ(conv2d(zeros({0, 8, 7, 2}), w, {}).shape(), (Shape{0, 6, 5, 4}));
}

TEST(Conv2d, InputGradientHasTheSizeThatTheStrideRoundedAway) {
  const Tensor w = random_tensor({4, 3, 3, 2}, 1);
  const ConvParams params = {.stride = 2, .padding = 1};
  const Tensor gy = random_tensor({2, 4, 4, 4}, 2);
  EXPECT_EQ(conv2d_input_grad(gy, w, {2, 7, 8, 2}, params).shape(), (Shape{2, 7, 8, 2}));
  EXPECT_EQ(conv2d_input_grad(gy, w, {2, 8, 7, 2}, params).shape(), (Shape{2, 8, 7, 2}));
}

TEST(Conv2d, ErrorsNameTheShapes) {
  const Tensor x = zeros({2, 8, 8, 3});
  const Tensor w = zeros({4, 3, 3, 3});
  expect_error(
      [&] {
        conv2d(zeros({8, 8, 3}), w, {});
      },
      "[conv2d] needs x [N, H, W, C] and w [O, KH, KW, C], got [8, 8, 3] [4, 3, 3, 3]");
  expect_error(
      [&] {
        conv2d(x, zeros({4, 3, 3, 5}), {});
      },
      "[conv2d] x [2, 8, 8, 3] has 3 channels, w [4, 3, 3, 5] expects 5");
  expect_error(
      [&] {
        conv2d(x, zeros({4, 11, 3, 3}), {.stride = 1, .padding = 1});
      },
      "[conv2d] the 11x3 kernel of w [4, 11, 3, 3] does not fit into x [2, 8, 8, 3] with "
      "padding 1");
  expect_error([&] { conv2d(x, zeros({4, 0, 3, 3}), {}); }, "[conv2d] the 0x3 kernel");
  expect_error([&] { conv2d(x, w, {.stride = 0, .padding = 1}); },
               "[conv2d] needs stride >= 1 and padding >= 0, got stride 0 and padding 1");
  expect_error([&] { conv2d(x, w, {.stride = 1, .padding = -1}); }, "padding -1");
  expect_error(
      [&] {
        conv2d(x, zeros({4, 3, 3, 3}, DType::kFloat64), {});
      },
      "[conv2d] dtypes differ: float32 and float64");
  expect_error([&] { conv2d(x, Tensor(), {}); }, "[conv2d] an input is undefined");
  expect_error(
      [&] {
        conv2d(zeros({0, std::int64_t{3} << 30, 1, 3}), w, {});
      },
      "[conv2d] a size of [0, 3221225472, 1, 3] does not fit into 32 bits");
}

TEST(Conv2d, ErrorsOfTheGradientsNameThem) {
  const Tensor x = zeros({2, 8, 8, 3});
  const Tensor w = zeros({4, 3, 3, 3});
  const Tensor gy = zeros({2, 5, 6, 4});
  expect_error([&] { conv2d_input_grad(gy, w, x.shape(), {}); },
               "[conv2d_input_grad] gy is [2, 5, 6, 4], the convolution's result [2, 6, 6, 4]");
  expect_error([&] { conv2d_weight_grad(x, gy, w.shape(), {}); },
               "[conv2d_weight_grad] gy is [2, 5, 6, 4], the convolution's result [2, 6, 6, 4]");
  expect_error(
      [&] {
        conv2d_weight_grad(x, gy, {4, 3, 3, 2}, {});
      },
      "[conv2d_weight_grad] x [2, 8, 8, 3] has 3 channels, w [4, 3, 3, 2] expects 2");
}

/// A rule reads an input only for the gradient of the other one, so constants are not kept alive
/// for nothing: the images of a first layer need no gradient, hence its weights are not saved.
TEST(Conv2d, SavesOnlyWhatItsRuleReads) {
  const Tensor images = zeros({2, 8, 8, 3});
  Tensor w = zeros({4, 3, 3, 3});
  const Tensor fixed = zeros({4, 3, 3, 3});
  Tensor x = zeros({2, 8, 8, 3});
  w.set_requires_grad();
  x.set_requires_grad();
  const Tensor first = conv2d(images, w, {});
  EXPECT_FALSE(images.owns_storage_alone());
  EXPECT_TRUE(w.owns_storage_alone());
  const Tensor frozen = conv2d(x, fixed, {});
  EXPECT_TRUE(x.owns_storage_alone());
  EXPECT_FALSE(fixed.owns_storage_alone());
}

}  // namespace
}  // namespace switchyard::test

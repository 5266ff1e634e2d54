#include "engine/ops/pooling.h"

#include <gtest/gtest.h>

#include "engine/ops/elementwise.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

TEST(GlobalAveragePool, AveragesThePixels) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const Tensor x = random_tensor({3, 5, 7, 33}, 1, dtype);
    const Tensor y = global_average_pool(x);
    EXPECT_EQ(y.shape(), (Shape{3, 33}));
    std::vector<double> sums(3 * 33);
    const std::vector<double> values = x.to_doubles();
    for (std::size_t i = 0; i < values.size(); ++i) sums[i / (35 * 33) * 33 + i % 33] += values[i];
    expect_close(y * 35.0, sums, tolerance(dtype));
  }
}

TEST(GlobalAverageUnpool, SpreadsTheMeanOverThePixels) {
  const Tensor x = global_average_unpool(Tensor::from<double>({1, 2}, {3.0, 6.0}), 1, 3);
  EXPECT_EQ(x.shape(), (Shape{1, 1, 3, 2}));
  expect_close(x, std::vector<double>{1, 2, 1, 2, 1, 2}, 1e-15);
}

TEST(GlobalAveragePool, NamesTheOperationInErrors) {
  const Tensor matrix = random_tensor({2, 3}, 1);
  expect_error([&] { global_average_pool(matrix); },
               "[global_average_pool] needs [N, H, W, C], got [2, 3]");
  expect_error(
      [&] {
        global_average_pool(random_tensor({2, 0, 3, 4}, 1));
      },
      "[global_average_pool] shape [2, 0, 3, 4] has no pixels");
  expect_error(
      [&] {
        global_average_unpool(random_tensor({2, 1, 1, 3}, 1), 2, 2);
      },
      "[global_average_unpool] needs [N, C], got [2, 1, 1, 3]");
  expect_error([&] { global_average_unpool(matrix, 0, 2); },
               "[global_average_unpool] 0 x 2 is no image");
  EXPECT_EQ(global_average_pool(random_tensor({0, 2, 2, 3}, 1)).shape(), (Shape{0, 3}));
}

}  // namespace
}  // namespace switchyard::test

#include "engine/ops/shape.h"

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

const std::vector<DType> kFloating = {DType::kFloat32, DType::kFloat64};

std::vector<double> values_of(std::int64_t begin, std::int64_t end) {
  std::vector<double> values;
  for (std::int64_t i = begin; i < end; ++i) values.push_back(static_cast<double>(i));
  return values;
}

/// 0, 1, 2, ... in the given shape.
Tensor counting(const Shape& shape, DType dtype = DType::kFloat64) {
  return Tensor::from(shape, values_of(0, shape.numel())).to(dtype);
}

TEST(Reshape, SharesStorage) {
  const Tensor x = counting({2, 6});
  const Tensor y = reshape(x, {3, 4});
  EXPECT_TRUE(shares_memory(y, x));
  EXPECT_EQ(y.shape(), (Shape{3, 4}));
  EXPECT_EQ(y.to_doubles(), x.to_doubles());
}

TEST(Transpose, SwapsRowsAndColumns) {
  for (DType dtype : kFloating) {
    for (const Shape& shape : {Shape{1, 1}, {31, 33}, {127, 1}, {0, 5}, {500, 300}}) {
      const Tensor x = counting(shape, dtype);
      poison_free_memory();
      const Tensor y = transpose(x);
      ASSERT_EQ(y.shape(), (Shape{shape[1], shape[0]}));
      const std::vector<double> from = x.to_doubles();
      const std::vector<double> to = y.to_doubles();
      for (std::int64_t i = 0; i < shape[0]; ++i) {
        for (std::int64_t j = 0; j < shape[1]; ++j) {
          ASSERT_EQ(to[static_cast<std::size_t>(j * shape[0] + i)],
                    from[static_cast<std::size_t>(i * shape[1] + j)]);
        }
      }
    }
  }
}

TEST(Transpose, SwapsRowsAndColumnsOfEveryMatrixOfAStack) {
  const Tensor y = transpose(counting({2, 2, 3}));
  EXPECT_EQ(y.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(y.to_doubles(), (std::vector<double>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
}

TEST(Entry, SharesTheStorageOfTheWhole) {
  Tensor x = counting({3, 2, 2});
  Tensor middle = x.entry(1);
  EXPECT_TRUE(shares_memory(middle, x));
  EXPECT_EQ(middle.shape(), (Shape{2, 2}));
  EXPECT_EQ(middle.to_doubles(), values_of(4, 8));
  EXPECT_EQ(middle.entry(1).entry(0).item(), 6.0);
  EXPECT_EQ(middle.clone().to_doubles(), values_of(4, 8));
  EXPECT_EQ(middle.view({4}).to_doubles(), values_of(4, 8));
  middle.copy_from(Tensor::zeros({2, 2}, DType::kFloat64));
  EXPECT_EQ(x.to_doubles(), (std::vector<double>{0, 1, 2, 3, 0, 0, 0, 0, 8, 9, 10, 11}));
  middle.fill(1.0);
  EXPECT_EQ(x.entry(0).to_doubles(), values_of(0, 4));
  EXPECT_EQ(x.entry(1).to_doubles(), std::vector<double>(4, 1.0));
  expect_error([&] { x.entry(3); }, "shape [3, 2, 2] has no entry 3");
  expect_error([&] { x.entry(-1); }, "has no entry -1");
  expect_error([&] { Tensor::scalar(1.0, DType::kFloat32).entry(0); }, "shape [] has no entry 0");
}

TEST(Concat, JoinsRows) {
  const Tensor a = counting({2, 3});
  const Tensor none = counting({0, 3});
  const Tensor b = counting({1, 3});
  const Tensor y = concat(std::vector<Tensor>{a, none, b});
  EXPECT_EQ(y.shape(), (Shape{3, 3}));
  EXPECT_EQ(y.to_doubles(), (std::vector<double>{0, 1, 2, 3, 4, 5, 0, 1, 2}));
}

TEST(Stack, AddsAnAxis) {
  const Tensor a = counting({2});
  EXPECT_EQ(stack(std::vector<Tensor>{a, a, a}).shape(), (Shape{3, 2}));
  EXPECT_EQ(stack(std::vector<Tensor>{a, a}).to_doubles(), (std::vector<double>{0, 1, 0, 1}));
  const Tensor scalar = Tensor::scalar(7.0, DType::kFloat64);
  EXPECT_EQ(stack(std::vector<Tensor>{scalar, scalar}).shape(), (Shape{2}));
}

TEST(SliceAndPad, AreEachOthersTranspose) {
  for (DType dtype : kFloating) {
    const Tensor x = counting({5, 3}, dtype);
    EXPECT_EQ(slice_rows(x, 1, 3).to_doubles(), values_of(3, 9));
    EXPECT_EQ(slice_rows(x, 2, 2).shape(), (Shape{0, 3}));
    poison_free_memory();
    const std::vector<double> padded = pad_rows(counting({1, 3}, dtype), 1, 4).to_doubles();
    EXPECT_EQ(padded, (std::vector<double>{0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(pad_rows(counting({0, 3}, dtype), 1, 2).to_doubles(), std::vector<double>(6, 0.0));
  }
}

TEST(Concat, LeavesOutGradientsThatNobodyWants) {
  Tensor a = counting({2, 3});
  const Tensor b = counting({1, 3});
  a.set_requires_grad();
  const Tensor y = concat(std::vector<Tensor>{b, a});
  const Tensor cotangent = random_tensor({3, 3}, 1);
  const Tensor gradient =
      grad(std::vector<Tensor>{y}, std::vector<Tensor>{a}, std::vector<Tensor>{cotangent})[0];
  expect_same_bits(gradient, slice_rows(cotangent, 1, 3));
}

/// Σ w·y³ for y = join(x), of as many parts as `parts`: the gradient by x is 3 w x², and the
/// Hessian times v is 6 w x v.
void expect_derivatives_of_many_parts(Tensor (*join)(std::span<const Tensor>), std::int64_t parts) {
  SCOPED_TRACE(parts);
  std::vector<Tensor> x;
  std::vector<Tensor> v;
  for (std::int64_t i = 0; i < parts; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    x.push_back(random_tensor({2, 3}, 2 * seed).set_requires_grad());
    v.push_back(random_tensor({2, 3}, 2 * seed + 1));
  }
  const Tensor y = join(x);
  const Tensor w = random_tensor(y.shape(), 77);
  const HessianOperator hessian(dot(w, y * y * y), x);
  const std::vector<Tensor> gradient = hessian.gradient();
  const std::vector<Tensor> product = hessian.apply(v);
  const Tensor rows = w.view({2 * parts, 3});
  for (std::int64_t i = 0; i < parts; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const Tensor part = slice_rows(rows, 2 * i, 2 * i + 2);
    const Tensor at = x[k].detach();
    expect_close(gradient[k], 3.0 * part * square(at), 1e-14);
    expect_close(product[k], 6.0 * part * at * v[k], 1e-14);
  }
}

TEST(Concat, HasDerivativesForManyParts) {
  for (std::int64_t parts : {33, 65, 100}) expect_derivatives_of_many_parts(concat, parts);
}

TEST(Stack, HasDerivativesForManyParts) {
  for (std::int64_t parts : {33, 65, 100, 1000}) expect_derivatives_of_many_parts(stack, parts);
}

TEST(Shape, NamesTheOperationInErrors) {
  const Tensor x = counting({2, 3});
  const Tensor scalar = Tensor::scalar(1.0, DType::kFloat64);
  expect_error([&] { reshape(x, {4}); },
               "[reshape] shape [4] does not hold the elements of [2, 3]");
  expect_error([&] { transpose(scalar); },
               "[transpose] needs a matrix or a stack of them, got shape []");
  expect_error([&] { concat({}); }, "[concat] needs at least one tensor");
  expect_error(
      [&] {
        concat(std::vector<Tensor>{x, counting({2, 4})});
      },
      "[concat] shapes [2, 3] and [2, 4] differ beyond axis 0");
  expect_error(
      [&] {
        concat(std::vector<Tensor>{x, counting({2, 3, 1})});
      },
      "[concat] shapes [2, 3] and [2, 3, 1] differ beyond axis 0");
  expect_error([&] { concat(std::vector<Tensor>{scalar}); }, "[concat] a scalar has no rows");
  expect_error(
      [&] {
        concat(std::vector<Tensor>{x, counting({2, 3}, DType::kFloat32)});
      },
      "[concat] dtypes differ: float64 and float32");
  expect_error([&] { stack({}); }, "[stack] needs at least one tensor");
  expect_error(
      [&] {
        stack(std::vector<Tensor>{x, scalar});
      },
      "[stack] shapes differ: [2, 3] and []");
  expect_error([&] { slice_rows(x, 1, 3); },
               "[slice_rows] rows [1, 3) are not part of shape [2, 3]");
  expect_error([&] { slice_rows(x, -1, 1); }, "[slice_rows] rows [-1, 1)");
  expect_error([&] { pad_rows(x, 1, 2); },
               "[pad_rows] shape [2, 3] at row 1 does not fit in 2 rows");
  expect_error([&] { pad_rows(x, -1, 4); }, "[pad_rows] shape [2, 3] at row -1");
}

}  // namespace
}  // namespace switchyard::test

#include "analysis/curvature/vectors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/threads.h"

namespace switchyard {
namespace {

/// Two tensors, one longer than a chunk of the reduction.
std::vector<Tensor> vector_of(DType dtype, std::uint64_t seed) {
  Generator random(seed);
  const std::vector<Tensor> like = {Tensor::empty({3, 5}, dtype), Tensor::empty({40001}, dtype)};
  return random_normal_like(like, random);
}

long double reference_dot(std::span<const Tensor> a, std::span<const Tensor> b) {
  long double sum = 0.0L;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::vector<double> x = a[i].to_doubles();
    const std::vector<double> y = b[i].to_doubles();
    for (std::size_t j = 0; j < x.size(); ++j) sum += static_cast<long double>(x[j]) * y[j];
  }
  return sum;
}

class Vectors : public testing::TestWithParam<DType> {};

TEST_P(Vectors, DotAccumulatesInFloat64) {
  const std::vector<Tensor> a = vector_of(GetParam(), 1);
  const std::vector<Tensor> b = vector_of(GetParam(), 2);
  const auto expected = static_cast<double>(reference_dot(a, b));
  EXPECT_NEAR(dot(a, b), expected, 1e-12 * norm(a) * norm(b));
  EXPECT_NEAR(norm(a), std::sqrt(static_cast<double>(reference_dot(a, a))), 1e-12 * norm(a));
}

TEST_P(Vectors, DotHasTheSameBitsForAnyThreadCount) {
  const std::vector<Tensor> a = vector_of(GetParam(), 3);
  const std::vector<Tensor> b = vector_of(GetParam(), 4);
  const int before = thread_count();
  set_thread_count(1);
  const double one = dot(a, b);
  set_thread_count(3);
  EXPECT_EQ(one, dot(a, b));
  set_thread_count(before);
}

TEST_P(Vectors, AxpyAndScaleWriteInPlace) {
  const std::vector<Tensor> x = vector_of(GetParam(), 5);
  std::vector<Tensor> y = vector_of(GetParam(), 6);
  const std::vector<Tensor> before = copy_of(y);
  axpy(-2.5, x, y);
  scale(y, 0.5);
  const double rounding = GetParam() == DType::kFloat32 ? 1e-6 : 1e-14;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::vector<double> got = y[i].to_doubles();
    const std::vector<double> xs = x[i].to_doubles();
    const std::vector<double> ys = before[i].to_doubles();
    for (std::size_t j = 0; j < got.size(); ++j) {
      ASSERT_NEAR(got[j], 0.5 * (ys[j] - 2.5 * xs[j]), rounding * (1.0 + std::abs(got[j])));
    }
  }
}

TEST_P(Vectors, SignsAreBalancedAndNormalsHaveUnitVariance) {
  Generator random(7);
  const std::vector<Tensor> like = vector_of(GetParam(), 8);
  const auto n = static_cast<double>(dimension(like));
  EXPECT_EQ(dimension(like), 40016);
  const std::vector<Tensor> signs = random_sign_like(like, random);
  for (double s : signs[1].to_doubles()) ASSERT_EQ(std::abs(s), 1.0);
  EXPECT_LT(std::abs(dot(signs, random_sign_like(like, random))), 5.0 * std::sqrt(n));
  const std::vector<Tensor> normals = random_normal_like(like, random);
  EXPECT_NEAR(dot(normals, normals) / n, 1.0, 5.0 * std::sqrt(2.0 / n));
}

INSTANTIATE_TEST_SUITE_P(DTypes, Vectors, testing::Values(DType::kFloat32, DType::kFloat64));

TEST(VectorErrors, NameTheEntryThatDiffers) {
  const std::vector<Tensor> a = vector_of(DType::kFloat32, 9);
  const std::vector<Tensor> shorter = {a[0]};
  const std::vector<Tensor> other = {a[0], Tensor::zeros({7}, DType::kFloat32)};
  EXPECT_THROW(dot(a, shorter), Error);
  try {
    dot(a, other);
    FAIL() << "shapes differ";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[dot] entry 1 is float32 [40001] against float32 [7]");
  }
  std::vector<Tensor> zero = zeros_like(a);
  EXPECT_THROW(normalise(zero), Error);
}

TEST(Vectors, NormsOfAnySizeKeepTheirDigits) {
  for (const double size : {1e-310, 1e-200, 1.0, 1e200, 1e307}) {
    std::vector<Tensor> x = {Tensor::from<double>({2}, {3.0 * size, 0.0}),
                             Tensor::from<double>({1}, {4.0 * size})};
    EXPECT_NEAR(norm(x) / size, 5.0, size < 1e-300 ? 1e-12 : 1e-15);
    normalise(x);
    EXPECT_NEAR(x[0].to_doubles()[0], 0.6, size < 1e-300 ? 1e-12 : 1e-15);
  }
  const std::vector<Tensor> zero = {Tensor::zeros({3}, DType::kFloat64)};
  EXPECT_EQ(norm(zero), 0.0);
  const std::vector<Tensor> infinite = {Tensor::from<double>({2}, {1.0, HUGE_VAL})};
  EXPECT_EQ(norm(infinite), HUGE_VAL);
}

TEST(Vectors, DividesWithOneRounding) {
  std::vector<Tensor> x = {Tensor::full({3}, 49.0, DType::kFloat64)};
  divide(x, 49.0);
  EXPECT_EQ(x[0].to_doubles(), (std::vector<double>{1.0, 1.0, 1.0}));
}

}  // namespace
}  // namespace switchyard

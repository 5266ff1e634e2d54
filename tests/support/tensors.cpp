#include "tests/support/tensors.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>

#include "engine/core/bfloat16.h"
#include "engine/core/random.h"

namespace switchyard::test {
namespace {

const void* address_of(const Tensor& x) {
  switch (x.dtype()) {
    case DType::kFloat32:
      return x.data<float>();
    case DType::kFloat64:
      return x.data<double>();
    case DType::kBFloat16:
      return x.data<BFloat16>();
    case DType::kInt64:
      return x.data<std::int64_t>();
    default:
      throw Error("tests compare the bits of floating types and int64");
  }
}

}  // namespace

Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype) {
  return random_normal(shape, dtype, {seed, 0});
}

double relative_error(std::span<const double> a, std::span<const double> b) {
  EXPECT_EQ(a.size(), b.size());
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return difference == 0.0 ? 0.0 : std::sqrt(difference / size);
}

double relative_error(const Tensor& a, const Tensor& b) {
  return relative_error(a.to_doubles(), b.to_doubles());
}

void expect_close(const Tensor& a, const Tensor& b, double tolerance) {
  ASSERT_EQ(a.shape().to_string(), b.shape().to_string());
  EXPECT_LE(relative_error(a, b), tolerance);
}

void expect_close(const Tensor& a, std::span<const double> b, double tolerance) {
  EXPECT_LE(relative_error(a.to_doubles(), b), tolerance);
}

void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape().to_string(), b.shape().to_string());
  ASSERT_EQ(a.dtype(), b.dtype());
  EXPECT_EQ(std::memcmp(address_of(a), address_of(b), a.bytes()), 0) << "the bits differ";
}

bool shares_memory(const Tensor& a, const Tensor& b) {
  const auto* begin_a = static_cast<const std::byte*>(address_of(a));
  const auto* begin_b = static_cast<const std::byte*>(address_of(b));
  const std::less<> before;
  return before(begin_a, begin_b + b.bytes()) && before(begin_b, begin_a + a.bytes());
}

double tolerance(DType dtype) {
  if (dtype == DType::kBFloat16) return 1e-2;
  return dtype == DType::kFloat32 ? 1e-5 : 1e-10;
}

void poison_free_memory() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<Tensor> blocks;
  for (std::int64_t count = 1; count <= (1 << 20); count *= 2) {
    for (int copy = 0; copy < 4; ++copy)
      blocks.push_back(Tensor::full({count}, nan, DType::kFloat32));
  }
}

}  // namespace switchyard::test

#include "kernels/api/shape.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::BFloat16;
using kernels::Simt;

const std::vector<std::int64_t> kCounts = {0, 1, 3, 4, 31, 33, 127, 1024, 1027, 5001};

/// Memory with room before and after, all bytes marked. Whole memories are compared, so that an
/// element which is not written shows as well as one written out of bounds. Bits, not values: a
/// conversion is exact or rounds in one way.
template <class T>
struct Marked {
  static constexpr std::int64_t kRoom = 16;
  std::vector<T> memory;
  explicit Marked(std::int64_t n) : memory(static_cast<std::size_t>(n + 2 * kRoom)) {
    std::memset(memory.data(), 0xA5, memory.size() * sizeof(T));
  }
  T* data() { return memory.data() + kRoom; }
  bool operator==(const Marked& other) const {
    return memory.size() == other.memory.size() &&
           std::memcmp(memory.data(), other.memory.data(), memory.size() * sizeof(T)) == 0;
  }
};

/// Numbers of a few hundred with fractions; for an integer result also what it has no room for.
template <class From, class To>
std::vector<From> numbers(std::int64_t n) {
  std::vector<From> values;
  for (const double v : random_tensor({n}, 1).to_doubles()) {
    values.push_back(static_cast<From>(static_cast<float>(100 * (v + 5))));
  }
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Limits = std::numeric_limits<From>;
    const From special[] = {Limits::quiet_NaN(), -Limits::infinity(), Limits::max(), From{-7.5}};
    std::copy_n(special, std::min<std::int64_t>(n, 4), values.begin());
  }
  return values;
}

/// `shift` elements from where any wide load would be aligned.
template <class From, class To>
void expect_converts(kernels::ConvertFunction<Simt, From, To>* run, std::int64_t n,
                     std::int64_t x_shift, std::int64_t y_shift) {
  const std::vector<From> x = numbers<From, To>(n + x_shift);
  Marked<To> want(n + y_shift);
  for (std::int64_t i = 0; i < n; ++i) {
    want.data()[y_shift + i] = kernels::convert_element<To>(x.data()[x_shift + i]);
  }
  Marked<To> got(n + y_shift);
  Simt simt;
  run(simt, x.data() + x_shift, got.data() + y_shift, n);
  EXPECT_TRUE(got == want) << n << " elements, shifted by " << x_shift << " and " << y_shift;
}

template <class From, class To>
void expect_conversion() {
  for (const std::int64_t n : kCounts) {
    for (const auto& variant : kernels::convert_ladder<Simt, From, To>()) {
      SCOPED_TRACE(variant.name);
      expect_converts<From, To>(variant.run, n, 0, 0);
    }
    expect_converts<From, To>(kernels::convert<Simt, From, To>, n, 0, 0);
    expect_converts<From, To>(kernels::convert<Simt, From, To>, n, 1, 0);
    expect_converts<From, To>(kernels::convert<Simt, From, To>, n, 0, 1);
  }
}

TEST(CudaShape, EveryConversionOfEveryVariantFollowsTheRules) {
#define SWITCHYARD_EXPECT_CONVERSION(From, To) \
  {                                            \
    SCOPED_TRACE(#From " to " #To);            \
    expect_conversion<From, To>();             \
  }
  SWITCHYARD_CONVERSIONS(SWITCHYARD_EXPECT_CONVERSION)
}

template <class T>
void expect_fills(kernels::FillFunction<Simt, T>* run, std::int64_t n, std::int64_t shift) {
  Marked<T> want(n + shift);
  std::fill_n(want.data() + shift, n, T{42});
  Marked<T> got(n + shift);
  Simt simt;
  run(simt, got.data() + shift, T{42}, n);
  EXPECT_TRUE(got == want) << n << " elements, shifted by " << shift;
}

template <class T>
void expect_fill() {
  for (const std::int64_t n : kCounts) {
    for (const auto& variant : kernels::fill_ladder<Simt, T>()) {
      SCOPED_TRACE(variant.name);
      expect_fills<T>(variant.run, n, 0);
    }
    for (const std::int64_t shift : {0, 1}) expect_fills<T>(kernels::fill<Simt, T>, n, shift);
  }
}

TEST(CudaShape, EveryVariantFillsEveryType){
#define SWITCHYARD_EXPECT_FILL(T) \
  {                               \
    SCOPED_TRACE(#T);             \
    expect_fill<T>();             \
  }
    SWITCHYARD_ELEMENT_TYPES(SWITCHYARD_EXPECT_FILL)}

TEST(CudaShape, WideVariantsRefuseWhatIsNotAligned) {
  std::vector<float> x(9);
  std::vector<double> y(9);
  Simt simt;
  const auto convert = kernels::convert_ladder<Simt, float, double>().back().run;
  expect_error<std::invalid_argument>([&] { convert(simt, x.data() + 1, y.data(), 8); },
                                      "[convert_packed] needs pointers aligned");
  expect_error<std::invalid_argument>([&] { convert(simt, x.data(), y.data() + 1, 8); },
                                      "[convert_packed] needs pointers aligned");
  expect_error<std::invalid_argument>(
      [&] { kernels::fill_ladder<Simt, float>().back().run(simt, x.data() + 1, 1.0F, 8); },
      "[fill_wide] needs a pointer that is 16-byte aligned");
}

TEST(CudaShape, MoreElementsThanAGridCoversAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  Simt simt;
  float* const nowhere = nullptr;
  const auto refused = [](const auto& call, std::string_view name) {
    expect_error<std::invalid_argument>(call, fmt::format("[{}] blocks of ", name));
  };
  for (const auto& variant : kernels::convert_ladder<Simt, float, float>()) {
    refused([&] { variant.run(simt, nowhere, nowhere, kMany); }, variant.name);
  }
  for (const auto& variant : kernels::fill_ladder<Simt, float>()) {
    refused([&] { variant.run(simt, nowhere, 0.0F, kMany); }, variant.name);
  }
  for (const auto& variant : kernels::transpose_ladder<Simt, float>()) {
    refused([&] { variant.run(simt, nowhere, nowhere, kMany, 1); }, variant.name);
  }
}

}  // namespace
}  // namespace switchyard::test

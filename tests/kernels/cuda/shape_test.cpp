#include "kernels/api/shape.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <typeinfo>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Convert;
using kernels::Fill;
using kernels::Refusal;
using kernels::Simt;
using kernels::Transpose;

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

/// Returns what run(simt, arguments), a conversion, writes `shift` elements from where any wide
/// access would be aligned.
template <class From, class To, class Run>
void expect_converts(const Run& run, std::int64_t n, std::int64_t x_shift, std::int64_t y_shift) {
  const std::vector<From> x = numbers<From, To>(n + x_shift);
  Marked<To> want(n + y_shift);
  for (std::int64_t i = 0; i < n; ++i) {
    want.data()[y_shift + i] = kernels::convert_element<To>(x.data()[x_shift + i]);
  }
  Marked<To> got(n + y_shift);
  Simt simt;
  run(simt, Convert<From, To>{.x = x.data() + x_shift, .y = got.data() + y_shift, .count = n});
  EXPECT_TRUE(got == want) << n << " elements, shifted by " << x_shift << " and " << y_shift;
}

template <class From, class To>
void expect_conversion() {
  SCOPED_TRACE(testing::Message() << typeid(From).name() << " to " << typeid(To).name());
  for (const std::int64_t n : kCounts) {
    for (const auto& rung : kernels::ladder<Simt, Convert<From, To>>()) {
      SCOPED_TRACE(rung.name);
      expect_converts<From, To>(
          [&](Simt& simt, const auto& arguments) { run_rung(simt, rung, arguments); }, n, 0, 0);
    }
    const auto best = [](Simt& simt, const auto& arguments) { run(simt, arguments); };
    expect_converts<From, To>(best, n, 0, 0);
    expect_converts<From, To>(best, n, 1, 0);
    expect_converts<From, To>(best, n, 0, 1);
  }
}

template <class... From, class... To>
void expect_conversions(kernels::TypeList<Convert<From, To>...>) {
  (expect_conversion<From, To>(), ...);
}
TEST(CudaShape, EveryConversionOfEveryRungFollowsTheRules) {
  expect_conversions(kernels::Conversions{});
}

template <class T, class Run>
void expect_filled(const Run& run, std::int64_t n, std::int64_t shift) {
  Marked<T> want(n + shift);
  std::fill_n(want.data() + shift, n, T{42});
  Marked<T> got(n + shift);
  Simt simt;
  run(simt, Fill<T>{.y = got.data() + shift, .value = T{42}, .count = n});
  EXPECT_TRUE(got == want) << n << " elements, shifted by " << shift;
}

template <class T>
void expect_fill() {
  SCOPED_TRACE(typeid(T).name());
  for (const std::int64_t n : kCounts) {
    for (const auto& rung : kernels::ladder<Simt, Fill<T>>()) {
      SCOPED_TRACE(rung.name);
      expect_filled<T>([&](Simt& simt, const auto& arguments) { run_rung(simt, rung, arguments); },
                       n, 0);
    }
    for (const std::int64_t shift : {0, 1}) {
      expect_filled<T>([](Simt& simt, const auto& arguments) { run(simt, arguments); }, n, shift);
    }
  }
}

template <class... Types>
void expect_fills(kernels::TypeList<Types...>) {
  (expect_fill<Types>(), ...);
}
TEST(CudaShape, EveryRungFillsEveryType) { expect_fills(kernels::ElementTypes{}); }

TEST(CudaShape, WideRungsRefuseWhatIsNotAligned) {
  std::vector<float> x(9);
  std::vector<double> y(9);
  Simt simt;
  const auto refused = [&](const auto& arguments, const std::string& part) {
    using Op = std::decay_t<decltype(arguments)>;
    expect_error<Refusal>([&] { run_rung(simt, kernels::ladder<Simt, Op>().back(), arguments); },
                          part);
  };
  refused(Convert<float, double>{.x = x.data() + 1, .y = y.data(), .count = 8},
          "[convert_packed] needs pointers aligned");
  refused(Convert<float, double>{.x = x.data(), .y = y.data() + 1, .count = 8},
          "[convert_packed] needs pointers aligned");
  refused(Fill<float>{.y = x.data() + 1, .value = 1.0F, .count = 8},
          "[fill_wide] needs a pointer that is 16-byte aligned");
}

TEST(CudaShape, MoreElementsThanAGridCoversAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  Simt simt;
  const auto refused = [&](const auto& arguments) {
    using Op = std::decay_t<decltype(arguments)>;
    for (const auto& rung : kernels::ladder<Simt, Op>()) {
      expect_error<Refusal>([&] { run_rung(simt, rung, arguments); },
                            fmt::format("[{}] blocks of ", rung.name));
    }
  };
  refused(Convert<float, float>{.count = kMany});
  refused(Fill<float>{.count = kMany});
  refused(Transpose<float>{.rows = kMany, .columns = 1});
}

}  // namespace
}  // namespace switchyard::test

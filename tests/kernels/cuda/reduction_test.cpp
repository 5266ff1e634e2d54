#include "kernels/api/reduction.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string_view>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::Simt;

struct Layout {
  std::int64_t outer, reduce, inner;
};

const std::vector<Layout> kLayouts = {
    {1, 1, 1},    {1, 0, 3},    {0, 3, 3},      {3, 3, 0},     {5, 31, 1},
    {1, 33, 127}, {3, 127, 33}, {1, 20'001, 1}, {1, 3001, 3},  {1, 1201, 10},
    {2, 65, 64},  {257, 8, 1},  {700, 9, 1},    {1, 2100, 33},
};
/// Ways of the entry point that need many outputs: coalesced columns, and long rows.
const std::vector<Layout> kManyOutputs = {{1, 9, 65'537}, {513, 1025, 1}, {21'846, 10, 3}};

template <class T>
struct Operands {
  std::vector<T> a, b;
  std::vector<double> sums, products;

  explicit Operands(const Layout& l)
      : a(numbers(l, 1)),
        b(numbers(l, 2)),
        sums(reference(l, [&](std::size_t i) -> long double { return a[i]; })),
        products(
            reference(l, [&](std::size_t i) { return static_cast<long double>(a[i]) * b[i]; })) {}
  /// Around 2, so that sums do not cancel and a relative error says how good the summation is.
  static std::vector<T> numbers(const Layout& l, std::uint64_t seed) {
    std::vector<T> values;
    for (const double v : random_tensor({l.outer * l.reduce * l.inner}, seed).to_doubles()) {
      values.push_back(static_cast<T>(v + 2.0));
    }
    return values;
  }
  template <class F>
  static std::vector<double> reference(const Layout& l, F&& f) {
    std::vector<long double> totals(static_cast<std::size_t>(l.outer * l.inner), 0.0L);
    for (std::int64_t i = 0; i < l.outer * l.reduce * l.inner; ++i) {
      const std::int64_t output = i / (l.reduce * l.inner) * l.inner + i % l.inner;
      totals[static_cast<std::size_t>(output)] += f(static_cast<std::size_t>(i));
    }
    return {totals.begin(), totals.end()};
  }
};

template <class T>
class CudaReduction : public testing::Test {
 protected:
  std::vector<double> sums(kernels::SumMiddleFunction<Simt, T>* run, const Operands<T>& in,
                           const Layout& l) {
    GuardedBuffer<T> y(l.outer * l.inner);
    run(simt_, in.a.data(), y.data(), l.outer, l.reduce, l.inner);
    return y.values();
  }
  std::vector<double> products(kernels::SumProductsFunction<Simt, T>* run, const Operands<T>& in,
                               const Layout& l) {
    GuardedBuffer<T> y(l.outer * l.inner);
    run(simt_, in.a.data(), in.b.data(), y.data(), l.outer, l.reduce, l.inner);
    return y.values();
  }
  /// Sums in double: in float32 wrong by the last rounding alone.
  static constexpr double kPrecise = sizeof(T) == 4 ? 1e-7 : 1e-14;

  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaReduction, RealTypes);

TYPED_TEST(CudaReduction, EveryVariantMatchesPlainLoops) {
  using T = TypeParam;
  for (const Layout& l : kLayouts) {
    SCOPED_TRACE(fmt::format("{} x {} x {}", l.outer, l.reduce, l.inner));
    const Operands<T> in(l);
    for (const auto& variant : kernels::sum_middle_ladder<Simt, T>()) {
      EXPECT_LE(relative_error(this->sums(variant.run, in, l), in.sums), this->kPrecise)
          << variant.name;
    }
    for (const auto& variant : kernels::sum_products_ladder<Simt, T>()) {
      EXPECT_LE(relative_error(this->products(variant.run, in, l), in.products), this->kPrecise)
          << variant.name;
    }
  }
}

TYPED_TEST(CudaReduction, EntryPointsMatchPlainLoopsWhicheverVariantTheyChoose) {
  using T = TypeParam;
  for (const auto* layouts : {&kLayouts, &kManyOutputs}) {
    for (const Layout& l : *layouts) {
      SCOPED_TRACE(fmt::format("{} x {} x {}", l.outer, l.reduce, l.inner));
      const Operands<T> in(l);
      EXPECT_LE(relative_error(this->sums(kernels::sum_middle<Simt, T>, in, l), in.sums),
                this->kPrecise);
      EXPECT_LE(relative_error(this->products(kernels::sum_products<Simt, T>, in, l), in.products),
                this->kPrecise);
    }
  }
}

TYPED_TEST(CudaReduction, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Layout l = {1, 3001, 3};
  const Operands<T> in(l);
  for (const auto& variant : kernels::sum_products_ladder<Simt, T>()) {
    SCOPED_TRACE(variant.name);
    const std::vector<double> first = this->products(variant.run, in, l);
    for_thread_counts([&] { EXPECT_EQ(this->products(variant.run, in, l), first); });
  }
}

TYPED_TEST(CudaReduction, MoreOutputsThanBlocksAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 42;
  const T* const nothing = nullptr;
  T* const nowhere = nullptr;
  for (const auto& variant : kernels::sum_middle_ladder<Simt, T>()) {
    const std::string text = error_text<std::invalid_argument>(
        [&] { variant.run(this->simt_, nothing, nowhere, kMany, 1, 1); });
    EXPECT_EQ(text.find(fmt::format("[{}] blocks of ", variant.name)), 0U) << text;
  }
}

}  // namespace
}  // namespace switchyard::test

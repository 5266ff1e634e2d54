#include "kernels/api/reduction.h"

#include <gtest/gtest.h>

#include "engine/ops/elementwise.h"
#include "kernels/api/run.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

struct Layout {
  std::int64_t outer, reduce, inner;
};

/// One per way of cutting the work: rows, folded narrow rows, several stretches, several tiles.
const std::vector<Layout> kLayouts = {
    {1, 1, 1},      {1, 0, 3},       {0, 3, 3},     {3, 3, 0},      {5, 31, 1},     {1, 33, 127},
    {31, 127, 33},  {1, 200'001, 1}, {1, 9001, 64}, {1, 9001, 65},  {1, 40'001, 3}, {2, 700, 513},
    {1, 300, 2000}, {9000, 8, 1},    {1, 16, 8},    {2, 2049, 128}, {3, 17, 512},
};

template <class T>
class ReductionKernels : public testing::Test {
 protected:
  /// Around 2, so that sums do not cancel and a relative error says how good the summation is.
  static Tensor random(const Layout& l, std::uint64_t seed) {
    return random_tensor({l.outer, l.reduce, l.inner}, seed, kDTypeOf<T>) + 2.0;
  }
  kernels::Cpu cpu_;
};
using Floating = testing::Types<float, double>;
TYPED_TEST_SUITE(ReductionKernels, Floating);

/// Σ of f(flat index) over the middle axis, in long double.
template <class F>
std::vector<double> reference(const Layout& l, F&& f) {
  std::vector<long double> sums(static_cast<std::size_t>(l.outer * l.inner), 0.0L);
  for (std::int64_t o = 0; o < l.outer; ++o) {
    for (std::int64_t r = 0; r < l.reduce; ++r) {
      for (std::int64_t i = 0; i < l.inner; ++i) {
        sums[static_cast<std::size_t>(o * l.inner + i)] += f((o * l.reduce + r) * l.inner + i);
      }
    }
  }
  return {sums.begin(), sums.end()};
}

TYPED_TEST(ReductionKernels, AgreeWithLongDoubles) {
  using T = TypeParam;
  using Sum = kernels::SumMiddle<T>;
  using Products = kernels::SumProducts<T>;
  // One double sum of all terms, as the plain loops keep it, is off by more than sums of parts.
  const auto precise = [](const auto& rung) {
    if (sizeof(T) == 4) return 3e-7;
    return rung.name.ends_with("_plain_loops") ? 1e-13 : 1e-15;
  };
  for (const Layout& l : kLayouts) {
    SCOPED_TRACE(testing::Message() << l.outer << " x " << l.reduce << " x " << l.inner);
    const Tensor a = this->random(l, 1);
    const Tensor b = this->random(l, 2);
    const T* x = a.data<T>();
    const T* z = b.data<T>();
    const auto plain = reference(l, [&](std::int64_t i) -> long double { return x[i]; });
    for (const auto& rung : kernels::ladder<kernels::Cpu, Sum>()) {
      GuardedBuffer<T> sums(l.outer * l.inner);
      run_rung(
          this->cpu_, rung,
          Sum{.x = x, .y = sums.data(), .outer = l.outer, .reduce = l.reduce, .inner = l.inner});
      EXPECT_LE(relative_error(sums.values(), plain), precise(rung)) << rung.name;
    }
    const auto plain_products =
        reference(l, [&](std::int64_t i) { return static_cast<long double>(x[i]) * z[i]; });
    for (const auto& rung : kernels::ladder<kernels::Cpu, Products>()) {
      GuardedBuffer<T> products(l.outer * l.inner);
      run_rung(this->cpu_, rung,
               Products{.a = x,
                        .b = z,
                        .y = products.data(),
                        .outer = l.outer,
                        .reduce = l.reduce,
                        .inner = l.inner});
      EXPECT_LE(relative_error(products.values(), plain_products), precise(rung)) << rung.name;
    }
  }
}

TYPED_TEST(ReductionKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  using Sum = kernels::SumMiddle<T>;
  for (const Layout& l : kLayouts) {
    const Tensor x = this->random(l, 1);
    for (const auto& rung : kernels::ladder<kernels::Cpu, Sum>()) {
      SCOPED_TRACE(rung.name);
      Tensor first;
      for_thread_counts([&] {
        Tensor y = Tensor::empty({l.outer, l.inner}, x.dtype());
        run_rung(this->cpu_, rung,
                 Sum{.x = x.data<T>(),
                     .y = y.data<T>(),
                     .outer = l.outer,
                     .reduce = l.reduce,
                     .inner = l.inner});
        if (!first.defined()) first = y;
        expect_same_bits(y, first);
      });
    }
  }
}

}  // namespace
}  // namespace switchyard::test

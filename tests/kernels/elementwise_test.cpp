#include "kernels/api/elementwise.h"

#include <gtest/gtest.h>

#include "kernels/api/executor.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using Sizes = std::vector<std::int64_t>;

kernels::BroadcastPlan plan(const Sizes& result, const Sizes& a, const Sizes& b) {
  return kernels::plan_broadcast(result, a, b);
}

TEST(BroadcastPlan, MergesAxesThatStepAlike) {
  EXPECT_EQ(plan({2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}).rank, 1);
  EXPECT_EQ(plan({2, 3, 4, 5}, {2, 3, 4, 5}, {}).rank, 1);
  EXPECT_EQ(plan({1, 1}, {1}, {1, 1}).rank, 1);
  EXPECT_EQ(plan({2, 3, 4, 5}, {2, 3, 4, 5}, {2, 1, 4, 5}).rank, 3);

  const kernels::BroadcastPlan bias = plan({2, 3, 4, 5}, {2, 3, 4, 5}, {5});
  EXPECT_EQ(bias.rank, 2);
  EXPECT_EQ(bias.count, 120);
  EXPECT_EQ(bias.sizes[0], 24);
  EXPECT_EQ(bias.sizes[1], 5);
  EXPECT_EQ(bias.a_strides[0], 5);
  EXPECT_EQ(bias.b_strides[0], 0);
  EXPECT_EQ(bias.b_strides[1], 1);

  const kernels::BroadcastPlan column = plan({4, 6}, {4, 1}, {4, 6});
  EXPECT_EQ(column.rank, 2);
  EXPECT_EQ(column.a_strides[0], 1);
  EXPECT_EQ(column.a_strides[1], 0);
}

template <class T>
class ElementwiseKernels : public testing::Test {
 protected:
  static Tensor random(std::int64_t n, std::uint64_t seed) {
    return random_tensor({n}, seed, kDTypeOf<T>);
  }
  kernels::Cpu cpu_;
};
using Floating = testing::Types<float, double>;
TYPED_TEST_SUITE(ElementwiseKernels, Floating);

TYPED_TEST(ElementwiseKernels, WriteEveryElementAndNoOther) {
  using T = TypeParam;
  for (std::int64_t n : {0, 1, 31, 33, 127, 16383, 16385, 50000}) {
    const Tensor x = this->random(n, 1);
    GuardedBuffer<T> y(n);
    kernels::map_unary(this->cpu_, kernels::Affine{2.0, 1.0}, x.data<T>(), y.data(), n);
    for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(y.data()[i], T{2} * x.data<T>()[i] + T{1});

    GuardedBuffer<T> sum(3 * n);
    const Tensor a = this->random(3 * n, 2);
    kernels::map_binary(this->cpu_, kernels::Add{}, a.data<T>(), x.data<T>(), sum.data(),
                        plan({3, n}, {3, n}, {n}));
    for (std::int64_t i = 0; i < 3 * n; ++i) {
      ASSERT_EQ(sum.data()[i], a.data<T>()[i] + x.data<T>()[i % n]);
    }
  }
}

TYPED_TEST(ElementwiseKernels, MayOverwriteAnOperand) {
  using T = TypeParam;
  constexpr std::int64_t kSize = 20011;
  Tensor x = this->random(kSize, 1);
  const Tensor before = x.clone();
  const Tensor b = this->random(kSize, 2);
  kernels::map_binary(this->cpu_, kernels::Sub{}, x.data<T>(), b.data<T>(), x.data<T>(),
                      plan({kSize}, {kSize}, {kSize}));
  kernels::map_unary(this->cpu_, kernels::Square{}, x.data<T>(), x.data<T>(), kSize);
  for (std::int64_t i = 0; i < kSize; ++i) {
    const T difference = before.data<T>()[i] - b.data<T>()[i];
    ASSERT_EQ(x.data<T>()[i], difference * difference);
  }
}

TYPED_TEST(ElementwiseKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  constexpr std::int64_t kSize = 100'003;
  const Tensor x = this->random(kSize, 1);
  Tensor first;
  for_thread_counts([&] {
    Tensor y = empty_like(x);
    kernels::map_unary(this->cpu_, kernels::Gelu{}, x.data<T>(), y.data<T>(), kSize);
    if (!first.defined()) first = y;
    expect_same_bits(y, first);
  });
}

}  // namespace
}  // namespace switchyard::test

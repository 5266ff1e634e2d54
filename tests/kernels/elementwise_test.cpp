#include "kernels/api/elementwise.h"

#include <gtest/gtest.h>

#include "kernels/api/run.h"
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

TEST(BroadcastPlan, CountsAnOperandsOwnElements) {
  const kernels::BroadcastPlan bias = plan({2, 3, 4, 5}, {2, 3, 4, 5}, {5});
  EXPECT_EQ(bias.operand_count(bias.a_strides), 120);
  EXPECT_EQ(bias.operand_count(bias.b_strides), 5);
  const kernels::BroadcastPlan scalar = plan({7}, {7}, {});
  EXPECT_EQ(scalar.operand_count(scalar.b_strides), 1);
  const kernels::BroadcastPlan inner = plan({2, 3, 4}, {2, 1, 4}, {2, 3, 4});
  EXPECT_EQ(inner.operand_count(inner.a_strides), 8);
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
  using Unary = kernels::MapUnary<kernels::Affine, T>;
  using Binary = kernels::MapBinary<kernels::Add, T>;
  for (std::int64_t n : {0, 1, 31, 33, 127, 16383, 16385, 50000}) {
    const Tensor x = this->random(n, 1);
    for (const auto& rung : kernels::ladder<kernels::Cpu, Unary>()) {
      SCOPED_TRACE(rung.name);
      GuardedBuffer<T> y(n);
      run_rung(this->cpu_, rung,
               Unary{.op = {2.0, 1.0}, .x = x.data<T>(), .y = y.data(), .count = n});
      for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(y.data()[i], T{2} * x.data<T>()[i] + T{1});
    }
    const Tensor a = this->random(3 * n, 2);
    for (const auto& rung : kernels::ladder<kernels::Cpu, Binary>()) {
      SCOPED_TRACE(rung.name);
      GuardedBuffer<T> sum(3 * n);
      run_rung(this->cpu_, rung,
               Binary{.a = a.data<T>(),
                      .b = x.data<T>(),
                      .y = sum.data(),
                      .plan = plan({3, n}, {3, n}, {n})});
      for (std::int64_t i = 0; i < 3 * n; ++i) {
        ASSERT_EQ(sum.data()[i], a.data<T>()[i] + x.data<T>()[i % n]);
      }
    }
  }
}

TYPED_TEST(ElementwiseKernels, MayOverwriteAnOperand) {
  using T = TypeParam;
  using Difference = kernels::MapBinary<kernels::Sub, T>;
  using Square = kernels::MapUnary<kernels::Square, T>;
  constexpr std::int64_t kSize = 20011;
  const Tensor before = this->random(kSize, 1);
  const Tensor b = this->random(kSize, 2);
  for (const auto& rung : kernels::ladder<kernels::Cpu, Difference>()) {
    SCOPED_TRACE(rung.name);
    Tensor x = before.clone();
    run_rung(this->cpu_, rung,
             Difference{.a = x.data<T>(),
                        .b = b.data<T>(),
                        .y = x.data<T>(),
                        .plan = plan({kSize}, {kSize}, {kSize})});
    for (std::int64_t i = 0; i < kSize; ++i) {
      ASSERT_EQ(x.data<T>()[i], before.data<T>()[i] - b.data<T>()[i]);
    }
  }
  for (const auto& rung : kernels::ladder<kernels::Cpu, Square>()) {
    SCOPED_TRACE(rung.name);
    Tensor x = before.clone();
    run_rung(this->cpu_, rung, Square{.x = x.data<T>(), .y = x.data<T>(), .count = kSize});
    for (std::int64_t i = 0; i < kSize; ++i) {
      ASSERT_EQ(x.data<T>()[i], before.data<T>()[i] * before.data<T>()[i]);
    }
  }
}

TYPED_TEST(ElementwiseKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  using Gelu = kernels::MapUnary<kernels::Gelu, T>;
  constexpr std::int64_t kSize = 100'003;
  const Tensor x = this->random(kSize, 1);
  for (const auto& rung : kernels::ladder<kernels::Cpu, Gelu>()) {
    SCOPED_TRACE(rung.name);
    Tensor first;
    for_thread_counts([&] {
      Tensor y = empty_like(x);
      run_rung(this->cpu_, rung, Gelu{.x = x.data<T>(), .y = y.data<T>(), .count = kSize});
      if (!first.defined()) first = y;
      expect_same_bits(y, first);
    });
  }
}

}  // namespace
}  // namespace switchyard::test

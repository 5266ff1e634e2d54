#include "kernels/api/reduction.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// Checks what the workbench's sweeps over sizes, types and alignments do not say.

namespace switchyard::test {
namespace {

using kernels::Simt;
using kernels::SumMiddle;
using kernels::SumProducts;

template <class T>
class CudaReduction : public testing::Test {
 protected:
  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaReduction, RealTypes);

TYPED_TEST(CudaReduction, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const auto values = [](std::uint64_t seed) {
    const std::vector<double> normal = random_tensor({3001 * 3}, seed).to_doubles();
    return std::vector<T>(normal.begin(), normal.end());
  };
  const std::vector<T> a = values(1);
  const std::vector<T> b = values(2);
  for (const auto& rung : kernels::ladder<Simt, SumProducts<T>>()) {
    std::vector<std::vector<double>> results;
    for_thread_counts([&] {
      GuardedBuffer<T> y(3);
      run_rung(
          this->simt_, rung,
          SumProducts<T>{
              .a = a.data(), .b = b.data(), .y = y.data(), .outer = 1, .reduce = 3001, .inner = 3});
      results.push_back(y.values());
    });
    for (const auto& result : results) EXPECT_EQ(result, results.front()) << rung.name;
  }
}

/// Here run() takes a thread per output, of which the sweeps' sizes have too few.
TYPED_TEST(CudaReduction, ManyOutputs) {
  using T = TypeParam;
  for (const auto& [outer, reduce, inner] :
       std::vector<std::array<std::int64_t, 3>>{{1, 9, 65'537}, {21'846, 10, 3}}) {
    std::vector<T> x;
    std::vector<double> want(static_cast<std::size_t>(outer * inner));
    for (std::int64_t i = 0; i < outer * reduce * inner; ++i) {
      x.push_back(static_cast<T>(1.0 + static_cast<double>(i * 7919 % 1001) / 1001.0));
      want[static_cast<std::size_t>(i / (reduce * inner) * inner + i % inner)] += double{x.back()};
    }
    GuardedBuffer<T> y(outer * inner);
    run(this->simt_,
        SumMiddle<T>{
            .x = x.data(), .y = y.data(), .outer = outer, .reduce = reduce, .inner = inner});
    EXPECT_LE(relative_error(y.values(), want), 1e-7) << outer;
  }
}

/// docs/kernels/reduction.md's table of choices, both sides of each of its limits.
TYPED_TEST(CudaReduction, TheShapeChoosesTheRung) {
  using Op = SumMiddle<TypeParam>;
  const auto chosen = [](std::int64_t outer, std::int64_t reduce, std::int64_t inner) {
    return std::string(
        kernels::internal::choose_rung<Simt>(Op{.outer = outer, .reduce = reduce, .inner = inner})
            .name);
  };
  EXPECT_EQ(chosen(1, 8, 1), "sum_thread_per_output");
  EXPECT_EQ(chosen(1, 9, 1), "sum_warp_per_output");
  EXPECT_EQ(chosen(4096, 8, 1), "sum_thread_per_output");
  EXPECT_EQ(chosen(1'000'000, 9, 1), "sum_warp_per_output");
  EXPECT_EQ(chosen(511, 1024, 1), "sum_warp_per_output");
  EXPECT_EQ(chosen(511, 1025, 1), "sum_column_tiles");
  EXPECT_EQ(chosen(512, 1025, 1), "sum_block_per_output");
  EXPECT_EQ(chosen(1, 1'000'000, 1), "sum_column_tiles");
  EXPECT_EQ(chosen(1, 8, 3), "sum_thread_per_output");
  EXPECT_EQ(chosen(1, 9, 3), "sum_column_tiles");
  EXPECT_EQ(chosen(1, 1000, 65'535), "sum_column_tiles");
  EXPECT_EQ(chosen(1, 1000, 65'536), "sum_thread_per_output");
  EXPECT_EQ(chosen(32'768, 64, 2), "sum_thread_per_output");
  EXPECT_EQ(chosen(32'768, 65, 2), "sum_column_tiles");
  EXPECT_EQ(chosen(2048, 65, 32), "sum_thread_per_output");
}

TYPED_TEST(CudaReduction, MoreOutputsThanBlocksAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 42;
  for (const auto& rung : kernels::ladder<Simt, SumMiddle<T>>()) {
    const std::string text = error_text<kernels::Refusal>([&] {
      run_rung(this->simt_, rung, SumMiddle<T>{.outer = kMany, .reduce = 1, .inner = 1});
    });
    EXPECT_EQ(text.find(fmt::format("[{}] blocks of ", rung.name)), 0U) << text;
  }
}

TYPED_TEST(CudaReduction, ANaNReachesItsOwnSumAlone) {
  using T = TypeParam;
  std::vector<T> x(600 * 5, T{1});
  x[1234] = std::numeric_limits<T>::quiet_NaN();  // row 246, column 4
  for (const auto& rung : kernels::ladder<Simt, SumMiddle<T>>()) {
    GuardedBuffer<T> y(5);
    run_rung(this->simt_, rung,
             SumMiddle<T>{.x = x.data(), .y = y.data(), .outer = 1, .reduce = 600, .inner = 5});
    for (int c = 0; c < 4; ++c) EXPECT_EQ(y.data()[c], T{600}) << rung.name;
    EXPECT_TRUE(y.data()[4] != y.data()[4]) << rung.name;
  }
}

}  // namespace
}  // namespace switchyard::test

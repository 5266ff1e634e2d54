#include "kernels/api/reduction.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// What the workbench's sweeps over sizes, types and alignments do not say.

namespace switchyard::test {
namespace {

using kernels::Simt;

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
  for (const auto& variant : kernels::sum_products_ladder<Simt, T>()) {
    std::vector<std::vector<double>> results;
    for_thread_counts([&] {
      GuardedBuffer<T> y(3);
      variant.run(this->simt_, a.data(), b.data(), y.data(), 1, 3001, 3);
      results.push_back(y.values());
    });
    for (const auto& result : results) EXPECT_EQ(result, results.front()) << variant.name;
  }
}

/// Where the entry point takes a thread per output, of which the sweeps' sizes have too few.
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
    kernels::sum_middle(this->simt_, x.data(), y.data(), outer, reduce, inner);
    EXPECT_LE(relative_error(y.values(), want), 1e-7) << outer;
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

TYPED_TEST(CudaReduction, ANaNReachesItsOwnSumAlone) {
  using T = TypeParam;
  std::vector<T> x(600 * 5, T{1});
  x[1234] = std::numeric_limits<T>::quiet_NaN();  // row 246, column 4
  for (const auto& variant : kernels::sum_middle_ladder<Simt, T>()) {
    GuardedBuffer<T> y(5);
    variant.run(this->simt_, x.data(), y.data(), 1, 600, 5);
    for (int c = 0; c < 4; ++c) EXPECT_EQ(y.data()[c], T{600}) << variant.name;
    EXPECT_TRUE(y.data()[4] != y.data()[4]) << variant.name;
  }
}

}  // namespace
}  // namespace switchyard::test

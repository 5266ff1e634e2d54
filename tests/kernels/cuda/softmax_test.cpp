#include "kernels/api/softmax.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::Simt;

/// Calls check(rung) for every rung of a kernel.
template <class Op, class Check>
void for_rungs(const Check& check) {
  for (const auto& rung : kernels::ladder<Simt, Op>()) {
    SCOPED_TRACE(rung.name);
    check(rung);
  }
}

template <class T>
class CudaSoftmax : public testing::Test {
 protected:
  using CrossEntropy = kernels::CrossEntropyForward<T>;
  /// Returns what `rung`, a softmax or log-softmax, makes of a matrix.
  template <class Op>
  std::vector<double> forward(const kernels::Rung<Simt, Op>& rung, const std::vector<T>& x,
                              std::int64_t rows, std::int64_t columns) {
    GuardedBuffer<T> y(rows * columns);
    kernels::run_rung(simt_, rung, Op{x.data(), y.data(), rows, columns});
    return y.values();
  }
  std::vector<double> losses(const kernels::Rung<Simt, CrossEntropy>& rung, const std::vector<T>& x,
                             const std::vector<std::int64_t>& labels, std::int64_t columns) {
    const auto rows = static_cast<std::int64_t>(labels.size());
    GuardedBuffer<T> y(rows);
    kernels::run_rung(simt_, rung, CrossEntropy{x.data(), labels.data(), y.data(), rows, columns});
    return y.values();
  }
  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaSoftmax, RealTypes);

TYPED_TEST(CudaSoftmax, RowsOfInfinitiesAndNaNComeOutAsNaNAndNoOthers) {
  using T = TypeParam;
  constexpr T kInf = std::numeric_limits<T>::infinity();
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  constexpr std::int64_t kRows = 8, kColumns = 70;
  constexpr std::int64_t kBad = 5;  // rows 0 to 4
  std::vector<T> x = random_numbers<T>(kRows * kColumns, 3);
  const auto row = [&](std::int64_t r) { return x.begin() + r * kColumns; };
  row(0)[40] = kInf;
  row(1)[0] = kNaN;
  row(2)[69] = kNaN;
  std::fill_n(row(3), kColumns, -kInf);
  row(4)[3] = kInf;
  row(4)[4] = kInf;
  std::fill_n(row(5), kColumns - 1, -kInf);      // one finite logit, the last
  std::fill_n(row(6) + 1, kColumns - 1, -kInf);  // and the first
  for (std::int64_t j = 0; j < kColumns; ++j) row(7)[j] = static_cast<T>(1e30) * row(7)[j];
  std::vector<std::int64_t> labels(kRows, 0);
  labels[5] = kColumns - 1;
  const auto check = [&](const std::vector<double>& y, std::int64_t columns) {
    for (std::int64_t i = 0; i < kRows * columns; ++i) {
      EXPECT_EQ(std::isnan(y[static_cast<std::size_t>(i)]), i / columns < kBad) << i;
    }
  };
  for_rungs<kernels::SoftmaxForward<T>>([&](const auto& rung) {
    const std::vector<double> p = this->forward(rung, x, kRows, kColumns);
    check(p, kColumns);
    EXPECT_EQ(p[5 * kColumns + kColumns - 1], 1.0);
    EXPECT_EQ(p[6 * kColumns], 1.0);
  });
  for_rungs<kernels::LogSoftmaxForward<T>>(
      [&](const auto& rung) { check(this->forward(rung, x, kRows, kColumns), kColumns); });
  for_rungs<kernels::CrossEntropyForward<T>>(
      [&](const auto& rung) { check(this->losses(rung, x, labels, kColumns), 1); });
}

TYPED_TEST(CudaSoftmax, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const std::vector<T> x = random_numbers<T>(31 * 100, 1);
  for_rungs<kernels::SoftmaxForward<T>>([&](const auto& rung) {
    const std::vector<double> first = this->forward(rung, x, 31, 100);
    for_thread_counts([&] { EXPECT_EQ(this->forward(rung, x, 31, 100), first); });
  });
}

TYPED_TEST(CudaSoftmax, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  using Op = kernels::SoftmaxForward<T>;
  for_rungs<Op>([&](const auto& rung) {
    const std::string text = error_text<kernels::Refusal>(
        [&] { kernels::run_rung(this->simt_, rung, Op{.rows = 1, .columns = kMany}); });
    EXPECT_EQ(text.find(fmt::format("[{}] columns of 2147483648", rung.name)), 0U) << text;
  });
  expect_error<kernels::Refusal>(
      [&] {
        kernels::run_rung(this->simt_, "softmax_forward_block_per_row",
                          Op{.rows = kMany, .columns = 3});
      },
      "blocks of 2147483648");
}

}  // namespace
}  // namespace switchyard::test

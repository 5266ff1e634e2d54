#include "kernels/api/softmax.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::Simt;

/// Calls check(run) for every variant of a ladder.
template <class Ladder, class Check>
void for_variants(const Ladder& ladder, const Check& check) {
  for (const auto& variant : ladder) {
    SCOPED_TRACE(variant.name);
    check(variant.run);
  }
}

template <class T>
class CudaSoftmax : public testing::Test {
 protected:
  /// What `run`, a softmax or log-softmax, makes of a matrix.
  std::vector<double> forward(kernels::SoftmaxMapFunction<Simt, T>* run, const std::vector<T>& x,
                              std::int64_t rows, std::int64_t columns) {
    GuardedBuffer<T> y(rows * columns);
    run(simt_, x.data(), y.data(), rows, columns);
    return y.values();
  }
  std::vector<double> losses(kernels::CrossEntropyFunction<Simt, T>* run, const std::vector<T>& x,
                             const std::vector<std::int64_t>& labels, std::int64_t columns) {
    const auto rows = static_cast<std::int64_t>(labels.size());
    GuardedBuffer<T> y(rows);
    run(simt_, x.data(), labels.data(), y.data(), rows, columns);
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
  for_variants(kernels::softmax_forward_ladder<Simt, T>(), [&](auto* run) {
    const std::vector<double> p = this->forward(run, x, kRows, kColumns);
    check(p, kColumns);
    EXPECT_EQ(p[5 * kColumns + kColumns - 1], 1.0);
    EXPECT_EQ(p[6 * kColumns], 1.0);
  });
  for_variants(kernels::log_softmax_forward_ladder<Simt, T>(),
               [&](auto* run) { check(this->forward(run, x, kRows, kColumns), kColumns); });
  for_variants(kernels::cross_entropy_forward_ladder<Simt, T>(),
               [&](auto* run) { check(this->losses(run, x, labels, kColumns), 1); });
}

TYPED_TEST(CudaSoftmax, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const std::vector<T> x = random_numbers<T>(31 * 100, 1);
  for_variants(kernels::softmax_forward_ladder<Simt, T>(), [&](auto* run) {
    const std::vector<double> first = this->forward(run, x, 31, 100);
    for_thread_counts([&] { EXPECT_EQ(this->forward(run, x, 31, 100), first); });
  });
}

TYPED_TEST(CudaSoftmax, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  const T* const nothing = nullptr;
  T* const nowhere = nullptr;
  for (const auto& variant : kernels::softmax_forward_ladder<Simt, T>()) {
    const std::string text = error_text<std::invalid_argument>(
        [&] { variant.run(this->simt_, nothing, nowhere, 1, kMany); });
    EXPECT_EQ(text.find(fmt::format("[{}] columns of 2147483648", variant.name)), 0U) << text;
  }
  expect_error<std::invalid_argument>(
      [&] {
        kernels::softmax_forward_ladder<Simt, T>().back().run(this->simt_, nothing, nowhere, kMany,
                                                              3);
      },
      "blocks of 2147483648");
}

}  // namespace
}  // namespace switchyard::test

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/run.h"
#ifdef SWITCHYARD_SIMT
#include "kernels/simt/run_grid.h"
#endif
#include "tests/support/random_numbers.h"

// An array of slots may have more rows than the last offset says: room that a batch did not fill.
// They may hold anything, NaN as well, and no rung may let them into a result.

namespace switchyard::test {
namespace {

using kernels::GroupedMatmul;
using kernels::GroupedMatmulWeightGrad;
using kernels::GroupedShape;
using kernels::SegmentSum;

const std::vector<std::int64_t> kOffsets = {0, 3, 3, 40, 75};
constexpr std::int64_t kExperts = 4, kInner = 20, kCols = 24, kRows = 130;

/// Normal numbers, NaN from the last offset on.
template <class T>
std::vector<T> rows(std::int64_t width, std::uint64_t seed) {
  std::vector<T> numbers = random_numbers<T>(kRows * width, seed);
  std::fill(numbers.begin() + kOffsets.back() * width, numbers.end(),
            std::numeric_limits<T>::quiet_NaN());
  return numbers;
}

template <class T>
void expect_finite(const std::vector<T>& numbers, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(std::isfinite(numbers[static_cast<std::size_t>(i)])) << "element " << i;
  }
}

/// Runs every rung that takes the call, with results that begin as NaN.
template <class Exec, class Op, class T>
void for_each_rung(Op op, T* Op::*result, std::int64_t size, std::int64_t written) {
  for (const auto& rung : kernels::ladder<Exec, Op>()) {
    if (!rung.takes(op)) continue;
    SCOPED_TRACE(rung.name);
    std::vector<T> y(static_cast<std::size_t>(size), std::numeric_limits<T>::quiet_NaN());
    op.*result = y.data();
    Exec exec;
    kernels::run_rung(exec, rung, op);
    expect_finite(y, written);
  }
}

template <class Exec, class T>
void expect_rows_behind_to_stay_out() {
  const std::vector<T> x = rows<T>(kInner, 1);
  const std::vector<T> gy = rows<T>(kCols, 2);
  const std::vector<T> w = random_numbers<T>(kExperts * kInner * kCols, 3);
  const GroupedShape shape = {kRows, kExperts, kInner, kCols};
  for (const bool transpose : {false, true}) {
    for_each_rung<Exec>(GroupedMatmul<T>{.shape = shape,
                                         .offsets = kOffsets.data(),
                                         .x = x.data(),
                                         .w = w.data(),
                                         .transpose_w = transpose},
                        &GroupedMatmul<T>::y, kRows * kCols, kOffsets.back() * kCols);
  }
  for_each_rung<Exec>(
      GroupedMatmulWeightGrad<T>{
          .shape = shape, .offsets = kOffsets.data(), .x = x.data(), .gy = gy.data()},
      &GroupedMatmulWeightGrad<T>::gw, kExperts * kInner * kCols, kExperts * kInner * kCols);
  for_each_rung<Exec>(SegmentSum<T>{.offsets = kOffsets.data(),
                                    .x = x.data(),
                                    .rows = kRows,
                                    .experts = kExperts,
                                    .cols = kInner},
                      &SegmentSum<T>::y, kExperts * kInner, kExperts * kInner);
}

template <class T>
class RowsBehindTheLastOffset : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(RowsBehindTheLastOffset, RealTypes);

TYPED_TEST(RowsBehindTheLastOffset, StayOutOfEveryRungOnTheHost) {
  expect_rows_behind_to_stay_out<kernels::Cpu, TypeParam>();
}
#ifdef SWITCHYARD_SIMT
TYPED_TEST(RowsBehindTheLastOffset, StayOutOfEveryRungOnTheExecutor) {
  expect_rows_behind_to_stay_out<kernels::Simt, TypeParam>();
}
#endif

}  // namespace
}  // namespace switchyard::test

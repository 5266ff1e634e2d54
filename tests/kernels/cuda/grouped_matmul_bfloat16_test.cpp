#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/run.h"
#include "kernels/common/widen.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/random_numbers.h"

// The product per expert and its weight gradient in bfloat16, over uneven segments, with few blocks
// that walk over many tiles and with many, with segments of one part and of several: every element
// is the float64 sum, rounded once.

namespace switchyard::test {
namespace {

using kernels::GroupedMatmul;
using kernels::GroupedMatmulWeightGrad;
using kernels::GroupedShape;
using kernels::Simt;
using kernels::widen;

using Numbers = std::vector<BFloat16>;

double at(const Numbers& numbers, std::int64_t i) {
  return double{widen(numbers[static_cast<std::size_t>(i)])};
}

struct Uneven {
  std::vector<std::int64_t> offsets = {0, 300, 300, 305, 434, 434, 1000};  // parts have 256 rows
  GroupedShape shape = {1000, 6, 24, 136};
  Numbers x = random_numbers<BFloat16>(1000 * 24, 1);
  Numbers w = random_numbers<BFloat16>(6 * 24 * 136, 2);
  Numbers bias = random_numbers<BFloat16>(6 * 136, 3);
  Numbers gy = random_numbers<BFloat16>(1000 * 136, 4);

  std::int64_t expert_of(std::int64_t row) const {
    return std::upper_bound(offsets.begin(), offsets.end(), row) - offsets.begin() - 1;
  }
};

/// A sum and the magnitudes of its terms.
struct Sum {
  double value = 0.0, magnitude = 0.0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
  }
};

/// Half of the last of eight digits, and what float32 sums may be off by.
void expect_rounded_once(const Numbers& got, const std::vector<Sum>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double allowed = 0x1p-8 * std::abs(want[i].value) + 1e-6 * want[i].magnitude;
    ASSERT_LE(std::abs(at(got, static_cast<std::int64_t>(i)) - want[i].value), allowed) << i;
  }
}

/// Calls body(rung, executor) for every rung with blocks for one multiprocessor and for 132.
template <class Op, class Body>
void for_rungs(const Body& body) {
  for (const auto& rung : kernels::ladder<Simt, Op>()) {
    SCOPED_TRACE(rung.name);
    for (const int multiprocessors : {1, 132}) {
      Simt simt;
      simt.limits.multiprocessors = multiprocessors;
      body(rung, simt);
    }
  }
}

TEST(GroupedMatmulBFloat16, EveryRungRoundsEachOutputOnce) {
  const Uneven in;
  const auto& [rows, experts, inner, cols] = in.shape;
  for (const bool transpose_w : {false, true}) {
    std::vector<Sum> want;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t e = in.expert_of(row);
      for (std::int64_t j = 0; j < cols; ++j) {
        Sum sum;
        sum.add(at(in.bias, e * cols + j));
        for (std::int64_t d = 0; d < inner; ++d) {
          const std::int64_t weight = transpose_w ? j * inner + d : d * cols + j;
          sum.add(at(in.x, row * inner + d) * at(in.w, e * inner * cols + weight));
        }
        want.push_back(sum);
      }
    }
    for_rungs<GroupedMatmul<BFloat16>>([&](const auto& rung, Simt& simt) {
      Numbers y(want.size());
      kernels::run_rung(simt, rung,
                        GroupedMatmul<BFloat16>{.shape = in.shape,
                                                .offsets = in.offsets.data(),
                                                .x = in.x.data(),
                                                .w = in.w.data(),
                                                .transpose_w = transpose_w,
                                                .bias = in.bias.data(),
                                                .y = y.data()});
      expect_rounded_once(y, want);
    });
  }
}

TEST(GroupedMatmulBFloat16, EveryRungRoundsEachWeightsGradientOnce) {
  const Uneven in;
  const auto& [rows, experts, inner, cols] = in.shape;
  std::vector<Sum> want(static_cast<std::size_t>(experts * inner * cols));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < inner * cols; ++i) {
      want[static_cast<std::size_t>(in.expert_of(row) * inner * cols + i)].add(
          at(in.x, row * inner + i / cols) * at(in.gy, row * cols + i % cols));
    }
  }
  for_rungs<GroupedMatmulWeightGrad<BFloat16>>([&](const auto& rung, Simt& simt) {
    Numbers gw(want.size());
    kernels::run_rung(simt, rung,
                      GroupedMatmulWeightGrad<BFloat16>{.shape = in.shape,
                                                        .offsets = in.offsets.data(),
                                                        .x = in.x.data(),
                                                        .gy = in.gy.data(),
                                                        .gw = gw.data()});
    expect_rounded_once(gw, want);
  });
}

}  // namespace
}  // namespace switchyard::test

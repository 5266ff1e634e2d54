#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "kernels/api/matmul.h"
#include "kernels/api/run.h"
#include "kernels/cuda/tile_grid.cuh"
#include "kernels/simt/run_grid.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/tensors.h"

// The rungs on tensor cores with their large tiles and several tiles a block, which the workbench's
// sizes reach only on devices with few multiprocessors.

namespace switchyard::test {
namespace {

using kernels::BFloat16;
using kernels::Matmul;
using kernels::MatmulShape;
using kernels::Simt;

template <class T>
std::vector<double> reference(const MatmulShape& s, const std::vector<T>& a,
                              const std::vector<T>& b) {
  const auto at = [](const std::vector<T>& x, std::int64_t index) {
    return static_cast<double>(
        static_cast<kernels::ResultOf<T>>(x[static_cast<std::size_t>(index)]));
  };
  std::vector<double> c(static_cast<std::size_t>(s.m * s.n));
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t d = 0; d < s.k; ++d) {
      const double left = at(a, s.transpose_a ? d * s.m + i : i * s.k + d);
      for (std::int64_t j = 0; j < s.n; ++j) {
        c[static_cast<std::size_t>(i * s.n + j)] +=
            left * at(b, s.transpose_b ? j * s.k + d : d * s.n + j);
      }
    }
  }
  return c;
}

/// Runs every rung on tensor cores on a device with `multiprocessors`.
template <class T>
void expect_rungs_agree(const MatmulShape& s, int multiprocessors, std::string_view part_of_name) {
  const std::vector<T> a = random_numbers<T>(s.m * s.k, 1);
  const std::vector<T> b = random_numbers<T>(s.k * s.n, 2);
  const std::vector<double> want = reference(s, a, b);
  std::map<bool, std::vector<double>> bits;
  int run = 0;
  for (const auto& rung : kernels::ladder<Simt, Matmul<T>>()) {
    if (rung.name.find(part_of_name) == std::string_view::npos) continue;
    SCOPED_TRACE(fmt::format("{} {}{}", rung.name, s.transpose_a, s.transpose_b));
    Simt simt;
    simt.limits.multiprocessors = multiprocessors;
    GuardedBuffer<kernels::ResultOf<T>> c(s.m * s.n);
    kernels::run_rung(simt, rung, Matmul<T>{s, a.data(), b.data(), c.data()});
    const std::vector<double> got = c.values();
    EXPECT_LE(relative_error(got, want), rung.tolerance > 0 ? rung.tolerance : 2e-6);
    // Rungs with the same operands add the terms of a sum in the same order.
    const bool is_three = rung.name.ends_with("three_tf32");
    EXPECT_EQ(got, bits.try_emplace(is_three, got).first->second);
    ++run;
  }
  EXPECT_GT(run, 0);
}

TEST(SwizzledMatmul, LargeTilesAndDealtTilesAgreeWithPlainLoops) {
  // 4 tiles of 128x128, none of them whole, and 7 (bf16) or 13 steps of depth, the last one half
  for (const bool transposed : {false, true}) {
    const MatmulShape s = {248, 248, 200, transposed, transposed};
    expect_rungs_agree<BFloat16>(s, 1, "tensor_core_");
    expect_rungs_agree<float>(s, 1, "tensor_core_");
  }
  for (const bool transposed : {false, true}) {
    const MatmulShape s = {248, 248, 40, transposed, !transposed};
    expect_rungs_agree<BFloat16>(s, 1, "tensor_core_");
    expect_rungs_agree<float>(s, 1, "tensor_core_");
  }
}

TEST(SwizzledMatmul, DealtTilesRunOnAcrossPartsOfDepth) {
  expect_rungs_agree<BFloat16>({248, 248, 1096}, 1, "persistent");  // 3 parts, 12 tiles, 2 blocks
  expect_rungs_agree<BFloat16>({248, 504, 8}, 1, "persistent");     // one step a tile
}

TEST(TileGroups, EveryTileIsDealtOnceDownGroupsOfRows) {
  for (const auto& [down, across] : {std::pair{1, 1}, {8, 3}, {19, 5}, {3, 7}}) {
    std::vector<int> dealt(static_cast<std::size_t>(down * across));
    for (int i = 0; i < down * across; ++i) {
      const kernels::TilePlace place = kernels::tile_in_groups(i, down, across);
      ASSERT_TRUE(place.row >= 0 && place.row < down && place.col >= 0 && place.col < across);
      ++dealt[static_cast<std::size_t>(place.row * across + place.col)];
    }
    for (const int count : dealt) EXPECT_EQ(count, 1);
  }
  EXPECT_EQ(kernels::tile_in_groups(9, 19, 5).row, 1);  // the second column of the first group
  EXPECT_EQ(kernels::tile_in_groups(9, 19, 5).col, 1);
}

}  // namespace
}  // namespace switchyard::test

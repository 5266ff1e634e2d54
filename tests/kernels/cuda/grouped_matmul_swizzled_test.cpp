#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/run.h"
#include "kernels/cuda/grouped_weight_grad_split.cuh"
#include "kernels/simt/run_grid.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/tensors.h"

// What the workbench's sizes do not reach: many tiles a block, large tiles, rows behind the last
// segment, and the order in which a split segment's parts are added.

namespace switchyard::test {
namespace {

using kernels::GroupedMatmul;
using kernels::GroupedMatmulWeightGrad;
using kernels::GroupedShape;
using kernels::Simt;

constexpr std::int64_t kRowsBehind = 9;

/// Uneven segments, empty ones among them, and rows of NaN behind the last one.
struct Uneven {
  std::vector<std::int64_t> offsets = {0, 300, 300, 305, 434, 434, 700};
  std::int64_t inner, cols;
  std::vector<float> x, w, bias, gy;

  Uneven(std::int64_t inner_size, std::int64_t col_count) : inner(inner_size), cols(col_count) {
    x = random_numbers<float>(shape().rows * inner, 1);
    w = random_numbers<float>(shape().experts * inner * cols, 2);
    bias = random_numbers<float>(shape().experts * cols, 3);
    gy = random_numbers<float>(shape().rows * cols, 4);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::fill(x.end() - kRowsBehind * inner, x.end(), nan);
    std::fill(gy.end() - kRowsBehind * cols, gy.end(), nan);
  }
  GroupedShape shape() const {
    return {offsets.back() + kRowsBehind, static_cast<std::int64_t>(offsets.size()) - 1, inner,
            cols};
  }
  std::int64_t expert_of(std::int64_t row) const {
    return std::upper_bound(offsets.begin(), offsets.end(), row) - offsets.begin() - 1;
  }
};

std::vector<double> product(const Uneven& in, bool transpose_w) {
  const auto at = [](const std::vector<float>& v, std::int64_t i) {
    return static_cast<double>(v[static_cast<std::size_t>(i)]);
  };
  std::vector<double> y;
  for (std::int64_t row = 0; row < in.offsets.back(); ++row) {
    const std::int64_t e = in.expert_of(row);
    for (std::int64_t j = 0; j < in.cols; ++j) {
      double sum = at(in.bias, e * in.cols + j);
      for (std::int64_t d = 0; d < in.inner; ++d) {
        const std::int64_t weight = transpose_w ? j * in.inner + d : d * in.cols + j;
        sum += at(in.x, row * in.inner + d) * at(in.w, e * in.inner * in.cols + weight);
      }
      y.push_back(sum);
    }
  }
  return y;
}

/// Calls body(rung) for the rungs whose name holds `part`.
template <class Op, class Body>
void for_rungs(std::string_view part, const Body& body) {
  int count = 0;
  for (const auto& rung : kernels::ladder<Simt, Op>()) {
    if (rung.name.find(part) == std::string_view::npos) continue;
    SCOPED_TRACE(rung.name);
    body(rung);
    ++count;
  }
  EXPECT_GT(count, 0);
}

TEST(SwizzledGroupedMatmul, FewBlocksTakeAllTilesOfUnevenExperts) {
  const Uneven in(24, 200);
  for (const bool transpose_w : {false, true}) {
    const std::vector<double> want = product(in, transpose_w);
    for_rungs<GroupedMatmul<float>>("tensor_core", [&](const auto& rung) {
      GuardedBuffer<float> y(in.shape().rows * in.cols);
      Simt simt;
      simt.limits.multiprocessors = 1;  // blocks for one multiprocessor, tens of tiles
      kernels::run_rung(simt, rung,
                        GroupedMatmul<float>{.shape = in.shape(),
                                             .offsets = in.offsets.data(),
                                             .x = in.x.data(),
                                             .w = in.w.data(),
                                             .transpose_w = transpose_w,
                                             .bias = in.bias.data(),
                                             .y = y.data()});
      std::vector<double> got = y.values();
      for (auto i = got.begin() + static_cast<std::ptrdiff_t>(want.size()); i != got.end(); ++i) {
        EXPECT_TRUE(std::isnan(*i)) << "a row behind the last segment was written";
      }
      got.resize(want.size());
      EXPECT_LE(relative_error(got, want), rung.tolerance > 0 ? rung.tolerance : 2e-6);
    });
  }
}

TEST(SwizzledGroupedMatmul, ExpertsWithoutTermsGiveTheirBias) {
  const Uneven in(0, 200);
  for_rungs<GroupedMatmul<float>>("persistent", [&](const auto& rung) {
    GuardedBuffer<float> y(in.shape().rows * in.cols);
    Simt simt;
    simt.limits.multiprocessors = 1;
    kernels::run_rung(simt, rung,
                      GroupedMatmul<float>{.shape = in.shape(),
                                           .offsets = in.offsets.data(),
                                           .x = in.x.data(),
                                           .w = in.w.data(),
                                           .bias = in.bias.data(),
                                           .y = y.data()});
    for (const std::int64_t row : {0, 299, 300, 433, 699}) {
      EXPECT_EQ(y.data()[row * in.cols + 7],
                in.bias[static_cast<std::size_t>(in.expert_of(row) * in.cols + 7)]);
    }
  });
}

std::vector<double> weight_grad(std::string_view rung, const Uneven& in,
                                const std::vector<std::int64_t>& offsets, int multiprocessors) {
  GroupedShape shape = in.shape();
  shape.experts = static_cast<std::int64_t>(offsets.size()) - 1;
  GuardedBuffer<float> gw(shape.experts * in.inner * in.cols);
  Simt simt;
  simt.limits.multiprocessors = multiprocessors;
  kernels::run_rung(simt, rung,
                    GroupedMatmulWeightGrad<float>{.shape = shape,
                                                   .offsets = offsets.data(),
                                                   .x = in.x.data(),
                                                   .gy = in.gy.data(),
                                                   .gw = gw.data()});
  return gw.values();
}

/// Every part as an expert of its own, the parts' sums added in float32 in their order: what a rung
/// that splits must give to the last bit.
TEST(SplitSegments, PartsAreAddedInTheirOrder) {
  constexpr std::int64_t kPart = 256;  // rows_of_part of so few weights
  const Uneven in(120, 120);
  std::vector<std::int64_t> parts;
  for (std::size_t e = 0; e + 1 < in.offsets.size(); ++e) {
    std::int64_t row = in.offsets[e];
    do {
      parts.push_back(row);
      row += kPart;
    } while (row < in.offsets[e + 1]);
  }
  parts.push_back(in.offsets.back());
  const auto weights = static_cast<std::size_t>(in.inner * in.cols);
  for_rungs<GroupedMatmulWeightGrad<float>>("split_segments", [&](const auto& rung) {
    for (const int multiprocessors : {1, 132}) {  // large tiles and small ones
      const std::vector<double> of_parts = weight_grad(rung.name, in, parts, multiprocessors);
      const std::vector<double> got = weight_grad(rung.name, in, in.offsets, multiprocessors);
      std::size_t part = 0;
      for (std::size_t e = 0; e + 1 < in.offsets.size(); ++e) {
        std::vector<float> sum(weights);
        for (bool first = true; first || parts[part] < in.offsets[e + 1]; first = false, ++part) {
          for (std::size_t i = 0; i < weights; ++i) {
            const auto term = static_cast<float>(of_parts[part * weights + i]);
            sum[i] = first ? term : sum[i] + term;
          }
        }
        for (std::size_t i = 0; i < weights; ++i) {
          ASSERT_EQ(got[e * weights + i], static_cast<double>(sum[i])) << "expert " << e;
        }
      }
    }
  });
}

TEST(SplitSegments, GiveTheSameWithinRoundingAsOneBlockASegment) {
  const Uneven in(120, 120);
  const std::vector<double> want =
      weight_grad("grouped_matmul_weight_grad_thread_per_output", in, in.offsets, 132);
  for_rungs<GroupedMatmulWeightGrad<float>>("_tensor_core", [&](const auto& rung) {
    for (const int multiprocessors : {1, 132}) {
      const auto got = weight_grad(rung.name, in, in.offsets, multiprocessors);
      EXPECT_LE(relative_error(got, want), rung.tolerance > 0 ? rung.tolerance : 2e-6);
    }
  });
}

TEST(SplitSegments, PartsAreAsLongAsTheSizesAllow) {
  const auto rows = [](int rows_in_all, int experts, std::int64_t tiles, std::int64_t weights) {
    return kernels::rows_of_part({nullptr, rows_in_all, experts, 0, 0}, tiles, weights);
  };
  EXPECT_EQ(rows(8192, 8, 256, 1 << 20), 2048);
  EXPECT_EQ(rows(8192, 8, 16, 1 << 16), 1024);  // 16 (8 + 8)
  EXPECT_EQ(rows(256, 8, 8, 1 << 15), 256);
  EXPECT_EQ(rows(1 << 19, 8, 14336, 4096 * 14336), 1 << 19);  // parts would take 60 GB
  EXPECT_EQ(rows(1 << 16, 8, 1024, 1 << 22), 8192);           // 9 places of 4 Mi
}

TEST(SplitSegments, EveryFurtherPartHasAPlaceOfItsOwn) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<int> offsets = {0};
    for (int e = 0; e < 7; ++e) {
      offsets.push_back(offsets.back() + static_cast<int>(random() % 4 == 0 ? 0 : random() % 1500));
    }
    std::vector<float> memory(100);
    const kernels::SegmentParts<float> parts{nullptr, nullptr, memory.data(), 256, offsets.back()};
    std::set<float*> taken;
    std::size_t count = 0;
    for (std::size_t e = 0; e + 1 < offsets.size(); ++e) {
      for (int row = offsets[e] + 256; row < offsets[e + 1]; row += 256, ++count) {
        taken.insert(parts.further(row, 1));
      }
    }
    EXPECT_EQ(taken.size(), count);
    for (const float* place : taken) EXPECT_LT(place - memory.data(), parts.places());
  }
}

}  // namespace
}  // namespace switchyard::test

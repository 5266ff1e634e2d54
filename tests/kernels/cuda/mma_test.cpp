#include "kernels/common/mma.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/common/async_copy.h"
#include "kernels/common/launch.h"
#include "kernels/common/ldmatrix.h"
#include "kernels/common/wide.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::kernels {
namespace {

/// c [rows, cols] += a [rows, depth] · b [cols, depth]ᵀ by one warp.
template <class Mma>
__global__ void one_product(const typename Mma::Operand* a, const typename Mma::Operand* b,
                            typename Mma::Sum* c) {
  const auto lane = static_cast<int>(threadIdx.x);
  FragmentC<Mma> sums;
  for (int i = 0; i < Mma::kSums; ++i) {
    sums.value[i] = c[Mma::c_row(lane, i) * Mma::kCols + Mma::c_col(lane, i)];
  }
  multiply_add(sums, load_a<Mma>(a, Mma::kDepth, lane), load_b<Mma>(b, Mma::kDepth, lane));
  for (int i = 0; i < Mma::kSums; ++i) {
    c[Mma::c_row(lane, i) * Mma::kCols + Mma::c_col(lane, i)] = sums.value[i];
  }
}

__global__ void product_without_lane_5(double* c) {
  if (threadIdx.x == 5) return;
  FragmentC<MmaF64> sums{};
  multiply_add(sums, FragmentA<MmaF64>{}, FragmentB<MmaF64>{});
  c[threadIdx.x] = sums.value[0];
}

__global__ void reverse_by_async_copy(const float* x, float* y) {
  __shared__ Wide<float> tile[32];
  const auto i = static_cast<int>(threadIdx.x);
  copy_async_16(&tile[i].value[0], i == 3 ? nullptr : x + i * 4);
  copy_async_wait();
  __syncthreads();
  for (int j = 0; j < 4; ++j) y[i * 4 + j] = tile[31 - i].value[3 - j];
}

/// y [2, 32 · 4]: what each thread reads of its first copy after a wait for all but one group, and
/// of its second.
__global__ void two_groups(const float* x, float* y) {
  __shared__ Wide<float> tile[2][32];
  const auto i = static_cast<int>(threadIdx.x);
  for (int group = 0; group < 2; ++group) {
    copy_async_16(&tile[group][i].value[0], x + (group * 32 + i) * 4);
    copy_async_close_group();
  }
  copy_async_wait_but<1>();
  for (int group = 0; group < 2; ++group) {
    for (int j = 0; j < 4; ++j) y[(group * 32 + i) * 4 + j] = tile[group][i].value[j];
  }
  copy_async_wait();
}

/// words [32, 4] of load_matrices on x [32, 8], whose row l is what lane l points at.
template <bool kTransposed>
__global__ void matrices(const std::uint16_t* x, std::uint32_t* words) {
  __shared__ Wide<std::uint16_t> tile[32];
  const auto lane = static_cast<int>(threadIdx.x);
  tile[lane] = load128(x + lane * 8);
  __syncwarp();
  std::uint32_t mine[4];
  load_matrices<kTransposed>(mine, &tile[lane]);
  for (int m = 0; m < 4; ++m) words[lane * 4 + m] = mine[m];
}

template <class Mma>
void expect_product_matches_plain_loops(double tolerance) {
  using Operand = typename Mma::Operand;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const auto draw = [&](int count) {
    std::vector<Operand> values;
    for (int i = 0; i < count; ++i) values.push_back(Operand(normal(random)));
    return values;
  };
  const std::vector<Operand> a = draw(Mma::kRows * Mma::kDepth);
  const std::vector<Operand> b = draw(Mma::kCols * Mma::kDepth);
  std::vector<typename Mma::Sum> c(Mma::kRows * Mma::kCols);
  for (auto& value : c) value = normal(random);
  std::vector<double> want(c.begin(), c.end());
  for (int i = 0; i < Mma::kRows; ++i) {
    for (int j = 0; j < Mma::kCols; ++j) {
      for (int d = 0; d < Mma::kDepth; ++d) {
        want[static_cast<std::size_t>(i * Mma::kCols + j)] +=
            static_cast<double>(
                static_cast<typename Mma::Sum>(a[static_cast<std::size_t>(i * Mma::kDepth + d)])) *
            static_cast<double>(
                static_cast<typename Mma::Sum>(b[static_cast<std::size_t>(j * Mma::kDepth + d)]));
      }
    }
  }
  Simt simt;
  launch(simt, "one_product", one_product<Mma>, LaunchShape{.grid = {}, .block = {32}}, a.data(),
         b.data(), c.data());
  EXPECT_LE(test::relative_error(std::vector<double>(c.begin(), c.end()), want), tolerance);
}

TEST(Mma, ProductsMatchPlainLoops) {
  expect_product_matches_plain_loops<MmaBf16>(1e-6);
  expect_product_matches_plain_loops<MmaF64>(1e-15);
  expect_product_matches_plain_loops<MmaTf32>(1e-3);
  expect_product_matches_plain_loops<MmaThreeTf32>(1e-6);
}

TEST(Mma, ThreeTf32KeepTwiceTheBits) {
  const float one = 1.0F + 0x1.8p-11F + 0x1.0p-20F;
  const MmaThreeTf32::Word word = MmaThreeTf32::load(&one);
  EXPECT_EQ(std::bit_cast<float>(word.large), 1.0F + 0x1.0p-10F);
  EXPECT_EQ(std::bit_cast<float>(word.small), one - (1.0F + 0x1.0p-10F));
}

TEST(Mma, Tf32ReadsTenMantissaBits) {
  // Without rounding the operands the product of these would not be a power of two.
  EXPECT_GT(1.0F + 0x1.0p-12F, 1.0F);
  std::vector<float> a(16 * 8, 1.0F + 0x1.0p-12F);
  std::vector<float> b(8 * 8, 1.0F);
  std::vector<float> c(16 * 8, 0.0F);
  Simt simt;
  launch(simt, "one_product", one_product<MmaTf32>, LaunchShape{.grid = {}, .block = {32}},
         a.data(), b.data(), c.data());
  for (const float value : c) EXPECT_EQ(value, 8.0F);
  // Operands are rounded to nearest, ties away from zero, and not cut off.
  const auto rounded = [](float value) { return std::bit_cast<float>(MmaTf32::load(&value)); };
  EXPECT_EQ(rounded(1.0F + 0x1.8p-11F), 1.0F + 0x1.0p-10F);
  EXPECT_EQ(rounded(-1.0F - 0x1.0p-11F), -1.0F - 0x1.0p-10F);
  EXPECT_EQ(rounded(std::numeric_limits<float>::infinity()),
            std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7F800001U))));
}

TEST(Mma, NanReachesItsRowAndNoOther) {
  std::vector<double> a(8 * 4, 1.0);
  std::vector<double> b(8 * 4, 1.0);
  std::vector<double> c(8 * 8, 0.0);
  a[5 * 4 + 2] = std::numeric_limits<double>::quiet_NaN();
  Simt simt;
  launch(simt, "one_product", one_product<MmaF64>, LaunchShape{.grid = {}, .block = {32}}, a.data(),
         b.data(), c.data());
  for (int i = 0; i < 64; ++i) EXPECT_EQ(std::isnan(c[static_cast<std::size_t>(i)]), i / 8 == 5);
}

// These are the tables of the PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions", as
// printed there. A permutation that loads and products share would go unnoticed above, but not on a
// GPU.
TEST(Mma, FragmentsLieWherePtxPutsThem) {
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane >> 2;
    const int thread = lane % 4;
    for (int i = 0; i < 8; ++i) {  // m16n8k16, .bf16
      EXPECT_EQ(MmaBf16::a_row(lane, i), i < 2 || (4 <= i && i < 6) ? group : group + 8);
      EXPECT_EQ(MmaBf16::a_depth(lane, i), thread * 2 + (i & 1) + (i < 4 ? 0 : 8));
    }
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(MmaBf16::b_depth(lane, i), thread * 2 + (i & 1) + (i < 2 ? 0 : 8));
      EXPECT_EQ(MmaBf16::b_col(lane, i), group);
      EXPECT_EQ(MmaBf16::c_row(lane, i), i < 2 ? group : group + 8);
      EXPECT_EQ(MmaBf16::c_col(lane, i), thread * 2 + (i & 1));
    }
    for (int i = 0; i < 4; ++i) {  // m16n8k8, .tf32
      EXPECT_EQ(MmaTf32::a_row(lane, i), i == 0 || i == 2 ? group : group + 8);
      EXPECT_EQ(MmaTf32::a_depth(lane, i), i == 0 || i == 1 ? thread : thread + 4);
      EXPECT_EQ(MmaTf32::c_row(lane, i), i == 0 || i == 1 ? group : group + 8);
      EXPECT_EQ(MmaTf32::c_col(lane, i), thread * 2 + (i & 1));
    }
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(MmaTf32::b_depth(lane, i), i == 0 ? thread : thread + 4);
      EXPECT_EQ(MmaTf32::b_col(lane, i), group);
    }
    EXPECT_EQ(MmaF64::a_row(lane, 0), group);  // m8n8k4, .f64
    EXPECT_EQ(MmaF64::a_depth(lane, 0), thread);
    EXPECT_EQ(MmaF64::b_depth(lane, 0), thread);
    EXPECT_EQ(MmaF64::b_col(lane, 0), group);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(MmaF64::c_row(lane, i), group);
      EXPECT_EQ(MmaF64::c_col(lane, i), thread * 2 + (i & 1));
    }
  }
}

TEST(Mma, NeedsTheWholeWarp) {
  std::vector<double> c(32);
  Simt simt;
  test::expect_error<simt::KernelError>(
      [&] {
        launch(simt, "product_without_lane_5", product_without_lane_5,
               LaunchShape{.grid = {}, .block = {32}}, c.data());
      },
      "absent lane 5");
}

TEST(AsyncCopy, CopiesSixteenBytesOrZeros) {
  alignas(16) float x[128];
  std::vector<float> y(128, -1.0F);
  for (int i = 0; i < 128; ++i) x[i] = static_cast<float>(i + 1);
  Simt simt;
  launch(simt, "reverse_by_async_copy", reverse_by_async_copy,
         LaunchShape{.grid = {}, .block = {32}}, x, y.data());
  for (int i = 0; i < 128; ++i) {
    const int from = 127 - i;
    EXPECT_EQ(y[static_cast<std::size_t>(i)], from / 4 == 3 ? 0.0F : static_cast<float>(from + 1));
  }
}

// On a GPU a copy may arrive late; the executor makes it as late as the waits allow.
TEST(AsyncCopy, WaitsForTheGroupsThatItNames) {
  alignas(16) float x[256];
  std::vector<float> y(256, -1.0F);
  for (int i = 0; i < 256; ++i) x[i] = static_cast<float>(i);
  Simt simt;
  launch(simt, "two_groups", two_groups, LaunchShape{.grid = {}, .block = {32}}, x, y.data());
  for (int i = 0; i < 128; ++i) EXPECT_EQ(y[static_cast<std::size_t>(i)], x[i]);
  for (int i = 128; i < 256; ++i) EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(i)]));
}

// The table of the PTX ISA, "Warp-level matrix instructions: ldmatrix".
TEST(LoadMatrices, GivesEachLaneTwoElementsOfEachMatrix) {
  std::vector<std::uint16_t> x(256);
  for (int i = 0; i < 256; ++i) x[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(i * 7);
  std::vector<std::uint32_t> words(128), turned(128);
  Simt simt;
  const LaunchShape shape{.grid = {}, .block = {32}};
  launch(simt, "matrices", matrices<false>, shape, x.data(), words.data());
  launch(simt, "matrices", matrices<true>, shape, x.data(), turned.data());
  const auto element = [&](int matrix, int row, int col) -> std::uint32_t {
    return x[static_cast<std::size_t>(matrix * 64 + row * 8 + col)];
  };
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane >> 2;
    const int thread = lane % 4;
    for (int m = 0; m < 4; ++m) {
      const auto at = static_cast<std::size_t>(lane * 4 + m);
      EXPECT_EQ(words[at], element(m, group, 2 * thread) | element(m, group, 2 * thread + 1) << 16);
      EXPECT_EQ(turned[at], element(m, 2 * thread, group) | element(m, 2 * thread + 1, group)
                                                                << 16);
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/common/bfloat16.h"
#include "tests/kernels/xray/run_ptx.h"

// Every count is derived by hand from the kernels in ptx/counted.cu.

namespace switchyard::kernels::xray::test {
namespace {

std::vector<float> numbers(std::size_t count) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> between(-1, 1);
  std::vector<float> values(count);
  for (float& x : values) x = between(random);
  return values;
}

class Counts : public testing::Test {
 protected:
  Ptx ptx_{ptx_file("counted.ptx"), "counted.ptx"};
};

TEST_F(Counts, CopyTouchesEachSectorOnce) {
  const auto x = numbers(1000);
  float* from = ptx_.buffer(x);
  float* to = ptx_.buffer(std::vector<float>(1000));
  const LaunchReport report = ptx_.run("copy", {.grid = {8}, .block = {128}}, from, to, 1000);
  EXPECT_TRUE(std::equal(x.begin(), x.end(), to));
  EXPECT_EQ(report.threads, 1024U);
  EXPECT_EQ(report.warps, 32U);
  // 31 full warps of 4 sectors, and 8 lanes in one sector, both ways.
  EXPECT_EQ(report.total.access.global_requests, 64U);
  EXPECT_EQ(report.total.access.sectors, 2U * (31 * 4 + 1));
  EXPECT_EQ(report.total.access.ideal_sectors, 2U * (31 * 4 + 1));
  EXPECT_EQ(report.total.access.global_bytes, 2U * 4000);
  EXPECT_EQ(report.total.of(Kind::kGlobalLoad), 32U);
  EXPECT_EQ(report.total.of(Kind::kGlobalStore), 32U);
  EXPECT_EQ(report.total.flops, 0U);
}

TEST_F(Counts, AStrideTouchesMoreSectors) {
  const auto x = numbers(128 * 8);
  float* from = ptx_.buffer(x);
  float* to = ptx_.buffer(std::vector<float>(128));
  for (const int stride : {1, 2, 3, 8}) {
    const LaunchReport report =
        ptx_.run("strided_copy", {.grid = {1}, .block = {128}}, from, to, stride);
    // 32 numbers, `stride` apart, span 32 * 4 * stride bytes: every sector of the span up to a
    // stride of 8, where each lane has one of its own.
    const auto loads = static_cast<std::uint64_t>(4 * 4 * stride);
    EXPECT_EQ(report.total.access.sectors, loads + 16) << stride;
    EXPECT_EQ(report.total.access.ideal_sectors, 32U) << stride;
    EXPECT_EQ(to[5], x[static_cast<std::size_t>(5 * stride)]);
  }
}

TEST_F(Counts, TransposeByFourWays) {
  constexpr int kSide = 64;
  const auto x = numbers(kSide * kSide);
  float* from = ptx_.buffer(x);
  const LaunchShape shape{.grid = {2, 2}, .block = {32, 32}};
  constexpr std::uint64_t kWarps = 4 * 32;
  struct Expected {
    const char* kernel;
    std::uint64_t store_sectors, turns, ideal_turns;
  };
  // Naive: each lane of a store writes into a row of its own. Tiled: the load of a column takes 32
  // turns, as all its words are in one bank; padding and swizzling spread them over the banks.
  for (const Expected& one : {Expected{"transpose_naive", 32, 0, 0},
                              {"transpose_tiled", 4, 1 + 32, 2},
                              {"transpose_padded", 4, 2, 2},
                              {"transpose_swizzled", 4, 2, 2}}) {
    float* to = ptx_.buffer(std::vector<float>(kSide * kSide));
    const LaunchReport report = ptx_.run(one.kernel, shape, from, to, kSide);
    EXPECT_EQ(to[3 * kSide + 40], x[40 * kSide + 3]) << one.kernel;
    EXPECT_EQ(report.total.access.sectors, kWarps * (4 + one.store_sectors)) << one.kernel;
    EXPECT_EQ(report.total.access.ideal_sectors, kWarps * 8) << one.kernel;
    EXPECT_EQ(report.total.access.turns, kWarps * one.turns) << one.kernel;
    EXPECT_EQ(report.total.access.ideal_turns, kWarps * one.ideal_turns) << one.kernel;
    EXPECT_EQ(report.total.of(Kind::kBarrier), one.turns == 0 ? 0 : kWarps) << one.kernel;
  }
}

TEST_F(Counts, TiledProduct) {
  constexpr int kSide = 32;
  const auto a = numbers(kSide * kSide), b = numbers(kSide * kSide);
  float* result = ptx_.buffer(std::vector<float>(kSide * kSide));
  const LaunchReport report = ptx_.run("product_tiled", {.grid = {2, 2}, .block = {16, 16}},
                                       ptx_.buffer(a), ptx_.buffer(b), result, kSide);
  double expected = 0;
  for (std::size_t k = 0; k < kSide; ++k) {
    expected += static_cast<double>(a[5 * kSide + k]) * static_cast<double>(b[k * kSide + 9]);
  }
  EXPECT_NEAR(result[5 * kSide + 9], expected, 1e-5);
  EXPECT_EQ(report.total.flops, 2ULL * kSide * kSide * kSide);
  // 4 blocks of 8 warps take 2 steps: two loads each, of two rows of 16 numbers, 2 sectors a row.
  constexpr std::uint64_t kSteps = 4 * 8 * 2;
  EXPECT_EQ(report.total.of(Kind::kGlobalLoad), kSteps * 2);
  EXPECT_EQ(report.total.access.sectors, kSteps * 2 * 4 + 4 * 8 * 4);
  EXPECT_EQ(report.total.of(Kind::kSharedStore), kSteps * 2);
  EXPECT_EQ(report.total.of(Kind::kBarrier), kSteps * 2);
  // A lane's row and column are broadcast: no access of shared memory meets another in a bank.
  EXPECT_EQ(report.total.access.turns, report.total.access.ideal_turns);
}

/// The tally of the lines of counted.cu whose text contains `part`.
Tally of_line(const LaunchReport& report, const std::string& part) {
  std::istringstream text(ptx_file("counted.cu"));
  std::string line;
  Tally tally;
  for (std::uint32_t number = 1; std::getline(text, line); ++number) {
    if (line.find(part) == std::string::npos) continue;
    for (const LineTally& one : report.lines) {
      if (one.line == number) tally += one.tally;
    }
  }
  return tally;
}

TEST_F(Counts, ADivergentLoopRunsAsOftenAsItsLongestLane) {
  std::vector<int> offsets{0};
  std::mt19937 random(3);
  std::uint64_t longest = 0, all = 0;
  for (int warp = 0; warp < 4; ++warp) {
    std::uint64_t most = 0;
    for (int lane = 0; lane < 32; ++lane) {
      const int length = static_cast<int>(random() % 20);
      most = std::max(most, static_cast<std::uint64_t>(length));
      all += static_cast<std::uint64_t>(length);
      offsets.push_back(offsets.back() + length);
    }
    longest += most;
  }
  const auto values = numbers(static_cast<std::size_t>(offsets.back()));
  float* sums = ptx_.buffer(std::vector<float>(128));
  const LaunchReport report = ptx_.run("row_sums", {.grid = {2}, .block = {64}},
                                       ptx_.buffer(offsets), ptx_.buffer(values), sums);
  float expected = 0;
  for (int i = offsets[17]; i < offsets[18]; ++i) expected += values[static_cast<std::size_t>(i)];
  EXPECT_EQ(sums[17], expected);
  const Tally body = of_line(report, "sum += values[i]");
  EXPECT_EQ(body.access.global_requests, longest);
  EXPECT_EQ(body.access.global_bytes, all * 4);
  EXPECT_EQ(body.flops, all);
  // After the loop the lanes are together again.
  EXPECT_EQ(of_line(report, "sums[row] = sum").access.global_requests, 4U);
}

TEST_F(Counts, LanesThatSkipAnIterationWaitForTheOthers) {
  const auto x = numbers(32 * 16);
  float* y = ptx_.buffer(std::vector<float>(32));
  const LaunchReport report =
      ptx_.run("conditional", {.grid = {1}, .block = {32}}, ptx_.buffer(x), y, 16);
  // A quarter of the lanes takes each of the 16 iterations.
  const Tally body = of_line(report, "sum += x[i * 32 + lane]");
  EXPECT_EQ(body.access.global_requests, 16U);
  EXPECT_EQ(body.access.global_bytes, 16U * 8 * 4);
  EXPECT_EQ(of_line(report, "y[lane] = sum;").access.global_requests, 1U);
}

TEST_F(Counts, LoopsWithinLoops) {
  const auto x = numbers(32 * 3);
  float* y = ptx_.buffer(std::vector<float>(32));
  const LaunchReport report = ptx_.run("nested", {.grid = {1}, .block = {32}}, ptx_.buffer(x), y);
  // In round r of the outer loop the lanes with l % 4 >= r are there; each makes l % 3 + 1 rounds
  // of the inner one, which so runs 3 times in each of the 4 rounds.
  std::uint64_t lanes = 0;
  for (std::uint64_t lane = 0; lane < 32; ++lane) lanes += (lane % 4 + 1) * (lane % 3 + 1);
  const Tally body = of_line(report, "sum += x[j * 32 + lane]");
  EXPECT_EQ(body.access.global_requests, 12U);
  EXPECT_EQ(body.access.global_bytes, lanes * 4);
  EXPECT_EQ(report.total.of(Kind::kGlobalStore), 4U);
}

TEST_F(Counts, HistogramsCollide) {
  std::vector<int> values(256);
  std::mt19937 random(5);
  for (int& value : values) value = static_cast<int>(random() % 64);
  std::uint64_t collisions = 0;
  std::vector<int> expected(64);
  for (std::size_t warp = 0; warp < 8; ++warp) {
    std::vector<bool> seen(64);
    for (std::size_t lane = 0; lane < 32; ++lane) {
      const auto value = static_cast<std::size_t>(values[warp * 32 + lane]);
      collisions += seen[value] ? 1 : 0;
      seen[value] = true;
      ++expected[value];
    }
  }
  int* bins = ptx_.buffer(std::vector<int>(64));
  const LaunchShape shape{.grid = {4}, .block = {64}};
  const LaunchReport direct = ptx_.run("histogram", shape, ptx_.buffer(values), bins);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), bins));
  EXPECT_EQ(direct.total.of(Kind::kAtomic), 8U);
  EXPECT_EQ(direct.total.atomic_lanes, 256U);
  EXPECT_EQ(direct.total.access.collisions, collisions);
  EXPECT_EQ(of_line(direct, "atomicAdd(&bins[values[").access.collisions, collisions);

  int* again = ptx_.buffer(std::vector<int>(64));
  const LaunchReport shared = ptx_.run("histogram_shared", shape, ptx_.buffer(values), again);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), again));
  EXPECT_EQ(shared.total.of(Kind::kAtomic), 16U);
  EXPECT_EQ(shared.total.access.collisions, collisions);
  EXPECT_EQ(shared.total.of(Kind::kBarrier), 16U);
}

TEST_F(Counts, TensorCoreTile) {
  const auto a = numbers(16 * 16), b = numbers(8 * 16);
  const auto packed = [](const std::vector<float>& values) {
    std::vector<std::uint32_t> words(values.size() / 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      words[i / 2] |= std::uint32_t{BFloat16(values[i]).bits} << (16 * (i % 2));
    }
    return words;
  };
  float* c = ptx_.buffer(std::vector<float>(16 * 8));
  const LaunchReport report = ptx_.run("tensor_core", {.grid = {1}, .block = {32}},
                                       ptx_.buffer(packed(a)), ptx_.buffer(packed(b)), c);
  const auto rounded = [](float x) { return static_cast<double>(static_cast<float>(BFloat16(x))); };
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < 16; ++k) sum += rounded(a[i * 16 + k]) * rounded(b[j * 16 + k]);
      EXPECT_EQ(c[i * 8 + j], static_cast<float>(sum)) << i << ", " << j;
    }
  }
  EXPECT_EQ(report.total.tensor_flops, 2U * 16 * 8 * 16);
  EXPECT_EQ(report.total.flops, 0U);
  EXPECT_EQ(report.total.of(Kind::kTensorCore), 1U);
  // A fragment's 8 rows of 16 bytes, 32 bytes apart: half of each sector. Results lie in whole
  // ones, but each store takes every second number of them.
  EXPECT_EQ(report.total.access.sectors, 6U * 8 + 4 * 8);
  EXPECT_EQ(report.total.access.ideal_sectors, 10U * 4);
}

TEST_F(Counts, ShufflesAndDoubles) {
  const auto x = numbers(512);
  double* sums = ptx_.buffer(std::vector<double>(2));
  const LaunchReport report =
      ptx_.run("block_sum", {.grid = {2}, .block = {256}}, ptx_.buffer(x), sums);
  EXPECT_NEAR(sums[0], std::accumulate(x.begin(), x.begin() + 256, 0.0), 1e-12);
  EXPECT_NEAR(sums[1], std::accumulate(x.begin() + 256, x.end(), 0.0), 1e-12);
  EXPECT_EQ(report.total.of(Kind::kCollective), 16U * 5 * 2);  // a double takes two shuffles
  EXPECT_EQ(report.total.flops, 16U * 5 * 32 + 2 * 8);
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

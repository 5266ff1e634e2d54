#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <numeric>
#include <random>
#include <unordered_set>
#include <vector>

#include "tests/kernels/xray/run_ptx.h"

// Traffic with DRAM for every size of the cache: derived by hand for kernels, and compared with a
// cache of one size that is played through step by step.

namespace switchyard::kernels::xray::test {
namespace {

constexpr std::uint64_t kHuge = std::uint64_t{1} << 40;

/// A cache of so many sectors that keeps what was used last.
struct PlainCache {
  struct Line {
    std::uint64_t sector;
    bool is_dirty;
  };
  std::size_t capacity;
  std::list<Line> lines{};  // the last used one first
  std::uint64_t read = 0, written = 0;

  void use(std::uint64_t sector, bool loads, bool stores) {
    const auto found = std::find_if(lines.begin(), lines.end(),
                                    [&](const Line& line) { return line.sector == sector; });
    Line line{sector, false};
    if (found != lines.end()) {
      line = *found;
      lines.erase(found);
    } else if (loads) {
      ++read;
    }
    line.is_dirty |= stores;
    lines.push_front(line);
    if (lines.size() <= capacity) return;
    written += lines.back().is_dirty ? 1 : 0;
    lines.pop_back();
  }
  void flush() {
    for (const Line& line : lines) written += line.is_dirty ? 1 : 0;
  }
};

TEST(XrayCache, AgreesWithACacheOfEachSize) {
  std::mt19937 random(7);
  std::vector<std::pair<std::uint64_t, int>> uses;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t spread = i % 500 < 250 ? 12 : 90;  // near for a while, then far
    uses.emplace_back(random() % spread, static_cast<int>(random() % 3));
  }
  ReuseDistances distances;
  for (const auto& [sector, use] : uses) {
    if (use == 0) distances.load(sector);
    if (use == 1) distances.store(sector);
    if (use == 2) distances.update(sector);
  }
  const CacheCurve curve = distances.curve();
  EXPECT_EQ(curve.requested(), 3000U);
  for (std::size_t capacity = 1; capacity <= 100; ++capacity) {
    PlainCache cache{capacity};
    for (const auto& [sector, use] : uses) cache.use(sector, use != 1, use != 0);
    cache.flush();
    EXPECT_EQ(curve.read_bytes(capacity * 32), cache.read * 32) << capacity;
    EXPECT_EQ(curve.written_bytes(capacity * 32), cache.written * 32) << capacity;
  }
}

TEST(XrayCache, CountsOnWhereTimesAreNumberedAnew) {
  ReuseDistances distances;
  constexpr std::uint64_t kUses = 200'000, kSectors = 50;
  for (std::uint64_t i = 0; i < kUses; ++i) distances.load(i % kSectors);
  const CacheCurve curve = distances.curve();
  EXPECT_EQ(curve.read_bytes(kSectors * 32), kSectors * 32);
  EXPECT_EQ(curve.read_bytes((kSectors - 1) * 32), kUses * 32);
  EXPECT_EQ(curve.written_bytes(32), 0U);
}

LaunchOptions cached() {
  LaunchOptions options;
  options.cache = true;
  return options;
}

CacheCurve curve_of(const LaunchReport& report) { return report.cache.value(); }

TEST(XrayCache, ACopyMovesEachByteOnce) {
  Ptx ptx(ptx_file("counted.ptx"), "counted.ptx");
  const float* x = ptx.buffer(std::vector<float>(4096));
  const float* y = ptx.buffer(std::vector<float>(4096));
  const CacheCurve curve =
      curve_of(ptx.run_with(cached(), "copy", {.grid = {32}, .block = {128}}, x, y, 4096));
  for (const std::uint64_t bytes : {std::uint64_t{32}, std::uint64_t{4096}, kHuge}) {
    EXPECT_EQ(curve.read_bytes(bytes), 4096U * 4) << bytes;
    EXPECT_EQ(curve.written_bytes(bytes), 4096U * 4) << bytes;
  }
  EXPECT_EQ(curve.footprint(), 2U * 4096 * 4);
}

TEST(XrayCache, WhatIsReadTwiceIsReadOnceByACacheThatHoldsIt) {
  Ptx ptx(ptx_file("caches.ptx"), "caches.ptx");
  const float* x = ptx.buffer(std::vector<float>(2048));
  const float* y = ptx.buffer(std::vector<float>(32));
  const CacheCurve curve =
      curve_of(ptx.run_with(cached(), "read_twice", {.grid = {1}, .block = {32}}, x, y, 2048));
  EXPECT_EQ(curve.read_bytes(2048 * 4), 2048U * 4);
  EXPECT_EQ(curve.read_bytes(2048 * 4 - 32), 2U * 2048 * 4);  // round and round: all is lost
  EXPECT_EQ(curve.written_bytes(32), 32U * 4);
}

TEST(XrayCache, WhatIsWrittenAgainStaysInACacheThatHoldsIt) {
  Ptx ptx(ptx_file("caches.ptx"), "caches.ptx");
  const float* y = ptx.buffer(std::vector<float>(1024));
  const CacheCurve curve =
      curve_of(ptx.run_with(cached(), "write_again", {.grid = {1}, .block = {32}}, y, 1024));
  EXPECT_EQ(curve.written_bytes(1024 * 4), 1024U * 4);
  EXPECT_EQ(curve.written_bytes(1024 * 4 - 32), 3U * 1024 * 4);
  EXPECT_EQ(curve.read_bytes(32), 0U);
}

TEST(XrayCache, AStrideReadsWholeSectors) {
  Ptx ptx(ptx_file("counted.ptx"), "counted.ptx");
  const float* x = ptx.buffer(std::vector<float>(32 * 32 * 16));
  const float* y = ptx.buffer(std::vector<float>(32 * 32));
  // 1024 numbers, each in a sector of its own.
  const CacheCurve curve =
      curve_of(ptx.run_with(cached(), "strided_copy", {.grid = {32}, .block = {32}}, x, y, 16));
  EXPECT_EQ(curve.read_bytes(kHuge), 1024U * 32);
  EXPECT_EQ(curve.written_bytes(kHuge), 1024U * 4);
}

TEST(XrayCache, ATiledProductReadsItsTilesAgainUnlessTheCacheHoldsThem) {
  Ptx ptx(ptx_file("counted.ptx"), "counted.ptx");
  constexpr std::uint64_t kSize = 64, kMatrix = kSize * kSize * 4, kTiles = kSize / 16;
  const float* a = ptx.buffer(std::vector<float>(kSize * kSize));
  const float* b = ptx.buffer(std::vector<float>(kSize * kSize));
  const float* c = ptx.buffer(std::vector<float>(kSize * kSize));
  const CacheCurve curve = curve_of(ptx.run_with(cached(), "product_tiled",
                                                 {.grid = {kTiles, kTiles}, .block = {16, 16}}, a,
                                                 b, c, static_cast<int>(kSize)));
  // Tiles of 16 x 16 numbers: each of a and b is asked for by as many blocks as a row has.
  EXPECT_EQ(curve.read_bytes(32), 2 * kMatrix * kTiles);
  EXPECT_EQ(curve.read_bytes(kHuge), 2 * kMatrix);
  // Blocks of one row of tiles come one after the other. Between two of them lie a row of tiles of
  // a, a column of tiles of b and one tile of c; a cache with room for that reads a once.
  const std::uint64_t between = kMatrix / kTiles * 2 + 16 * 16 * 4;
  EXPECT_EQ(curve.read_bytes(between), kMatrix + kMatrix * kTiles);
  EXPECT_EQ(curve.written_bytes(32), kMatrix);
}

TEST(XrayCache, RowsThroughAPermutationNeedNotCostMoreThanACopy) {
  constexpr std::uint64_t kRows = 512;
  std::vector<int> rows(kRows);
  std::iota(rows.begin(), rows.end(), 0);
  std::shuffle(rows.begin(), rows.end(), std::mt19937(3));
  Ptx ptx(ptx_file("caches.ptx"), "caches.ptx");
  const float* x = ptx.buffer(std::vector<float>(kRows * 32));
  const float* y = ptx.buffer(std::vector<float>(kRows * 32));
  const int* order = ptx.buffer(rows);
  const LaunchShape shape{.grid = {kRows}, .block = {32}};
  const CacheCurve curve = curve_of(ptx.run_with(cached(), "gather_rows", shape, x, order, y));
  // Whole sectors, whatever the order: a copy's bytes and the permutation, in the smallest cache
  // that keeps the permutation's sector while eight rows pass.
  const std::uint64_t copy = kRows * 32 * 4, permutation = kRows * 4;
  EXPECT_EQ(curve.read_bytes((1 + 4 + 4) * 32), copy + permutation);
  EXPECT_EQ(curve.written_bytes(32), copy);

  // Half sectors: a small cache reads each sector twice, one that holds x reads it once.
  const LaunchShape eight{.grid = {kRows / 8}, .block = {32}};
  const CacheCurve halves =
      curve_of(ptx.run_with(cached(), "gather_short_rows", eight, x, order, y));
  const std::uint64_t short_copy = kRows * 4 * 4;
  EXPECT_EQ(halves.read_bytes(kHuge), short_copy + permutation);
  EXPECT_GT(halves.read_bytes(1024), short_copy * 3 / 2 + permutation);
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

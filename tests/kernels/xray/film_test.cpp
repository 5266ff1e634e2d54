#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/api/error.h"
#include "tests/kernels/xray/run_ptx.h"

namespace switchyard::kernels::xray::test {
namespace {

/// Transposes 64 x 64 numbers in four blocks of 32 warps, filming one warp.
class FilmTest : public ::testing::Test {
 protected:
  std::vector<Frame> film(const std::string& kernel, const FilmOptions& options) {
    LaunchOptions launch;
    launch.film = options;
    return ptx_
        .run_with(launch, kernel, {.grid = {2, 2}, .block = {32, 32}},
                  ptx_.buffer(std::vector<float>(4096), "x"),
                  ptx_.buffer(std::vector<float>(4096), "y"), 64)
        .film;
  }
  Ptx ptx_{ptx_file("counted.ptx"), "counted.ptx"};
};

TEST_F(FilmTest, ShowsWhereEachLaneReaches) {
  const auto frames = film("transpose_naive", {.block = {1, 0, 0}, .warp = 3});
  ASSERT_EQ(frames.size(), 2U);
  const Frame& load = frames[0];
  const Frame& store = frames[1];
  EXPECT_EQ(load.array, "x");
  EXPECT_EQ(load.array_bytes, 4096 * 4U);
  EXPECT_EQ(load.use, Use::kLoad);
  EXPECT_EQ(load.space, Space::kGlobal);
  EXPECT_EQ(store.array, "y");
  EXPECT_EQ(store.use, Use::kStore);
  EXPECT_EQ(store.bytes, 4U);
  EXPECT_EQ(store.lanes, 0xFFFFFFFFU);
  for (int lane = 0; lane < 32; ++lane) {
    const auto i = static_cast<std::size_t>(lane);
    EXPECT_EQ(load.offset[i], 4 * (3 * 64 + 32 + lane));     // row 3, column 32 + lane
    EXPECT_EQ(store.offset[i], 4 * ((32 + lane) * 64 + 3));  // and the other way round
  }
  EXPECT_EQ(load.counts.sectors, 4U);
  EXPECT_EQ(store.counts.sectors, 32U);
  EXPECT_EQ(store.counts.ideal_sectors, 4U);
}

TEST_F(FilmTest, NamesTheArrayOfSharedMemory) {
  const auto frames = film("transpose_tiled", {.warp = 5});
  ASSERT_EQ(frames.size(), 4U);  // a global load, a shared store, a shared load, a global store
  const Frame& read = frames[2];
  EXPECT_EQ(read.space, Space::kShared);
  EXPECT_NE(read.array.find("tile"), std::string::npos) << read.array;
  EXPECT_EQ(read.array_bytes, 32 * 32 * 4U);
  EXPECT_EQ(read.offset[1] - read.offset[0], 32 * 4);  // a column: all in one bank
  EXPECT_EQ(read.counts.turns, 32U);
  EXPECT_EQ(read.counts.ideal_turns, 1U);
}

TEST_F(FilmTest, EachInstructionHasItsShare) {
  // A loop over one byte, then a store: the loop may not use up the film.
  Ptx ptx(
      kernel_text("mov.u32 %r2, 0;\n"
                  "again:\n"
                  "ld.global.u32 %r3, [%rd1];\n"
                  "add.u32 %r2, %r2, 1;\n"
                  "setp.lt.u32 %p1, %r2, 100;\n"
                  "@%p1 bra again;\n"
                  "st.global.u32 [%rd1], %r2;"));
  LaunchOptions options;
  options.film = FilmOptions{.frames = 20};
  const auto frames = ptx.run_with(options, "k", {.grid = {1}, .block = {32}},
                                   ptx.buffer(std::vector<std::uint32_t>(1)))
                          .film;
  ASSERT_EQ(frames.size(), 11U);
  EXPECT_EQ(frames[9].use, Use::kLoad);
  EXPECT_EQ(frames[10].use, Use::kStore);
}

TEST_F(FilmTest, CountsLanesThatCollide) {
  Ptx ptx(
      kernel_text("shr.u32 %r2, %r1, 2;\n"
                  "mul.wide.u32 %rd2, %r2, 4;\n"
                  "add.u64 %rd3, %rd1, %rd2;\n"
                  "red.global.add.u32 [%rd3], 1;"));
  LaunchOptions options;
  options.film = FilmOptions{};
  const auto frames = ptx.run_with(options, "k", {.grid = {1}, .block = {32}},
                                   ptx.buffer(std::vector<std::uint32_t>(8)))
                          .film;
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].use, Use::kAtomic);
  EXPECT_EQ(frames[0].counts.collisions, 24U);
}

TEST_F(FilmTest, NothingIsFilmedUnlessAskedFor) {
  const LaunchReport report =
      ptx_.run("transpose_naive", {.grid = {1}, .block = {32, 32}},
               ptx_.buffer(std::vector<float>(1024)), ptx_.buffer(std::vector<float>(1024)), 32);
  EXPECT_TRUE(report.film.empty());
}

TEST_F(FilmTest, ABlockOrWarpThatIsNotThereIsAnError) {
  const auto message = [&](const FilmOptions& options) -> std::string {
    try {
      film("transpose_naive", options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(
      message({.block = {2, 0, 0}}),
      "transpose_naive: no warp 0 of block (2, 0, 0) to film: the grid has 2x2x1 blocks of 32 "
      "warps");
  EXPECT_NE(message({.warp = 32}), "");
}

TEST(LineTallies, HoldTheirPtx) {
  Ptx ptx(ptx_file("counted.ptx"), "counted.ptx");
  const LaunchReport report =
      ptx.run("transpose_naive", {.grid = {1}, .block = {32, 32}},
              ptx.buffer(std::vector<float>(1024)), ptx.buffer(std::vector<float>(1024)), 32);
  for (const LineTally& line : report.lines) {
    Tally sum;
    for (const PtxTally& one : line.ptx) sum += one.tally;
    EXPECT_EQ(sum.access.warps, line.tally.access.warps) << line.line;
    EXPECT_EQ(sum.access.sectors, line.tally.access.sectors) << line.line;
    EXPECT_TRUE(
        std::is_sorted(line.ptx.begin(), line.ptx.end(),
                       [](const PtxTally& a, const PtxTally& b) { return a.line < b.line; }));
  }
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/api/error.h"
#include "tests/kernels/xray/run_ptx.h"
#include "tests/support/expect_error.h"

// Kernels that are broken on purpose, and the same ones mended: the checker must find the first and
// let the second pass.

namespace switchyard::kernels::xray::test {
namespace {

using switchyard::test::expect_error;

void check(const std::string& text, std::uint32_t threads) {
  Ptx ptx(text, "k.ptx");
  float* data = ptx.buffer(std::vector<float>(256));
  const LaunchReport report = ptx.run_with(checked(), "k", {.grid = {2}, .block = {threads}}, data);
  if (!report.findings.empty()) throw Fault(report.findings[0]);
}

/// Each thread writes its word of `box`, then `between`, then it reads its neighbour's: %r3 is the
/// thread's address, %r4 the neighbour's.
std::string neighbours(const std::string& between, const std::string& after = "") {
  return R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
  .reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %rd<3>;
  .shared .align 16 .b8 box[1024];
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  mov.u32 %r5, %ntid.x;
  xor.b32 %r2, %r1, 1;
  shl.b32 %r3, %r1, 2;
  sub.u32 %r4, %r5, %r1;
  sub.u32 %r4, %r4, 1;
  shl.b32 %r4, %r4, 2;
  mov.u32 %r6, box;
  add.u32 %r3, %r3, %r6;
  add.u32 %r4, %r4, %r6;
  st.shared.u32 [%r3], %r1;
  )" + between +
         "\n  ld.shared.u32 %r7, [%r4];\n" + after + "\n  ret;\n}\n";
}

TEST(XrayChecker, FindsAMissingBarrierBetweenWarps) {
  // Warp 0 runs to its end first.
  expect_error(
      [] { check(neighbours(""), 64); },
      "k: block (0, 0, 0), thread (32, 0, 0), k.ptx:19: a race: writes box[32] (byte 128), "
      "which thread (31, 0, 0) read at k.ptx:21 without a barrier between them");
  EXPECT_NO_THROW(check(neighbours("bar.sync 0;"), 64));
  EXPECT_NO_THROW(check(neighbours("barrier.sync 1, 64;"), 64));
  // Within a warp bar.warp.sync is enough; between warps it is not, and a vote orders nothing.
  EXPECT_NO_THROW(check(neighbours("bar.warp.sync -1;"), 32));
  expect_error([] { check(neighbours("bar.warp.sync -1;"), 64); }, "a race: writes");
  expect_error([] { check(neighbours("vote.sync.any.pred %p1, %p2, -1;"), 32); }, "a race: reads");
}

TEST(XrayChecker, FindsAWriteThatDoesNotWaitForReaders) {
  const std::string again = "st.shared.u32 [%r3], %r7;";
  // The warp that comes last to the barrier goes on first.
  expect_error([&] { check(neighbours("bar.sync 0;", again), 64); },
               "a race: reads box[63] (byte 252), which thread (63, 0, 0) wrote at k.ptx:22");
  EXPECT_NO_THROW(check(neighbours("bar.sync 0;", "bar.sync 0;" + again), 64));
}

TEST(XrayChecker, AtomicsRaceWithPlainAccessesAlone) {
  const auto with = [](const std::string& access) {
    return neighbours("bar.sync 0;", "bar.sync 0;\natom.shared.add.u32 %r7, [box], 1;\n" + access);
  };
  EXPECT_NO_THROW(check(with(""), 64));
  EXPECT_NO_THROW(check(with("atom.shared.max.u32 %r7, [box], 1;"), 64));
  expect_error([&] { check(with("ld.shared.u32 %r7, [box];"), 64); }, "a race: ");
}

TEST(XrayChecker, TellsTheBytesOfAWordApart) {
  // Two threads write the halves of one word: no race. Then one reads what the other wrote: a race.
  const auto halves = [](const std::string& read) {
    return neighbours("bar.sync 0;", R"(bar.sync 0;
      shl.b32 %r8, %r1, 1;
      add.u32 %r8, %r8, %r6;
      st.shared.u16 [%r8], %r1;
      )" + read);
  };
  EXPECT_NO_THROW(check(halves("ld.shared.u16 %r7, [%r8];"), 64));
  EXPECT_NO_THROW(check(halves("bar.sync 0;\nld.shared.u32 %r7, [box];"), 64));
  expect_error([&] { check(halves("ld.shared.u32 %r7, [box];"), 64); }, "a race: ");
}

TEST(XrayChecker, FindsABarrierThatPartOfAWarpReaches) {
  // The other half does not wait, and so the barrier orders nothing either.
  Ptx ptx(neighbours("setp.lt.u32 %p1, %r1, 16;\n@%p1 bar.sync 0;"), "k.ptx");
  const float* data = ptx.buffer(std::vector<float>(256));
  const std::vector<Finding> findings =
      ptx.run_with(checked(), "k", {.grid = {1}, .block = {32}}, data).findings;
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].detector, Detector::kRace);
  EXPECT_EQ(text(findings[1]),
            "k: block (0, 0, 0), thread (0, 0, 0), k.ptx:21: a divergent barrier: 16 of the warp's "
            "32 threads are here together");
  EXPECT_NO_THROW(
      check(neighbours("setp.lt.u32 %p1, %r1, 32;\n@%p1 bar.sync 1, 32;\nbar.sync 0;"), 64));
}

TEST(XrayChecker, CopiesOfOneBarrierAreOne) {
  // Each half of a warp waits at a bar.sync of its own, of one line of the source or of two.
  const auto parted = [](const std::string& second_line) {
    return neighbours(
        "setp.lt.u32 %p1, %r1, 16;\n@%p1 bra A;\n.loc 1 7 0\nbar.sync 0;\nbra B;\n"
        "A:\n.loc 1 " +
        second_line + " 0\nbar.sync 0;\nB:");
  };
  EXPECT_NO_THROW(check(parted("7"), 64));
  expect_error([&] { check(parted("8"), 64); }, "a divergent barrier: 16 of the warp's 32");
}

std::string copies(const std::string& wait, const std::string& last) {
  return neighbours("bar.sync 0;",
                    "bar.sync 0;\nshl.b32 %r8, %r1, 4;\nadd.u32 %r8, %r8, %r6;\n"
                    "cp.async.cg.shared.global [%r8], [%rd1], 16;\n"
                    "cp.async.commit_group;\n" +
                        wait + "\nld.shared.u32 %r7, [%r8];\n" + last);
}

TEST(XrayChecker, FindsACopyThatIsNotWaitedFor) {
  expect_error([] { check(copies("cp.async.wait_group 1;", "cp.async.wait_all;"), 32); },
               "uses box[0] (byte 0), which the cp.async of thread (0, 0, 0) at k.ptx:25 has not");
  expect_error(
      [] {
        check(neighbours("bar.sync 0;\nbar.sync 0;",
                         "bar.sync 0;\n"
                         "cp.async.ca.shared.global [%r3], [%rd1], 4;"),
              32);
      },
      "leaves while a cp.async of its own has not been waited for");
  EXPECT_NO_THROW(check(copies("cp.async.wait_group 0;", ""), 32));
  // What one thread has waited for another may read only behind a barrier.
  expect_error([] { check(copies("cp.async.wait_all;", "ld.shared.u32 %r7, [%r6];"), 32); },
               "a race: reads box[0] (byte 0)");
  EXPECT_NO_THROW(
      check(copies("cp.async.wait_all;\nbar.sync 0;", "ld.shared.u32 %r7, [%r6];"), 32));
}

template <class... Arguments>
void run_clean(Ptx& ptx, const std::string& kernel, const LaunchShape& shape,
               const Arguments&... arguments) {
  const LaunchReport report = ptx.run_with(checked(), kernel, shape, arguments...);
  if (!report.findings.empty()) throw Fault(report.findings[0]);
}

TEST(XrayChecker, LetsKernelsPassThatAreRight) {
  Ptx ptx(ptx_file("counted.ptx"), "counted.ptx");
  float* x = ptx.buffer(std::vector<float>(4096));
  float* y = ptx.buffer(std::vector<float>(4096));
  double* sums = ptx.buffer(std::vector<double>(2));
  int* bins = ptx.buffer(std::vector<int>(256));
  const LaunchShape tiles{.grid = {2, 2}, .block = {32, 32}};
  for (const char* kernel : {"transpose_tiled", "transpose_padded", "transpose_swizzled"}) {
    EXPECT_NO_THROW(run_clean(ptx, kernel, tiles, x, y, 64)) << kernel;
  }
  EXPECT_NO_THROW(
      run_clean(ptx, "product_tiled", {.grid = {2, 2}, .block = {16, 16}}, x, x, y, 32));
  EXPECT_NO_THROW(run_clean(ptx, "block_sum", {.grid = {2}, .block = {256}}, x, sums));
  EXPECT_NO_THROW(run_clean(ptx, "histogram_shared", {.grid = {4}, .block = {64}}, bins, bins));
}

TEST(XrayLaunch, AKernelsOwnBoundsOfABlockHold) {
  const std::string text = kernel_text("");
  const auto run = [&](const std::string& directive, std::uint32_t threads) {
    std::string with = text;
    with.insert(with.find("\n{"), "\n" + directive);
    check(with, threads);
  };
  expect_error([&] { run(".reqntid 64, 1, 1", 32); },
               "k: it was compiled for blocks of 64 threads, got 32");
  expect_error([&] { run(".maxntid 64", 96); }, "blocks of at most 64 threads, got 96");
  EXPECT_NO_THROW(run(".maxntid 64, 2\n.minnctapersm 2", 128));
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/api/error.h"
#include "tests/kernels/xray/run_ptx.h"
#include "tests/support/expect_error.h"

// Warps, blocks and memory: collectives, barriers, locks, and what ends a kernel with an error.

namespace switchyard::kernels::xray::test {
namespace {

using switchyard::test::expect_error;
using U32 = std::uint32_t;

/// What each lane of a warp has in %r9 after `text`.
std::vector<U32> lanes(const std::string& text) {
  return run_body<U32>(text +
                           "\nmul.wide.u32 %rd8, %r1, 4; add.s64 %rd8, %rd1, %rd8;\n"
                           "st.global.u32 [%rd8], %r9;",
                       std::vector<U32>(32));
}

TEST(XrayWarp, ShufflesKeepToTheirSegments) {
  const auto up = lanes("shfl.sync.up.b32 %r9|%p1, %r1, 1, 0, -1;");
  EXPECT_EQ(up[0], 0U);
  EXPECT_EQ(up[31], 30U);
  const auto down = lanes("shfl.sync.down.b32 %r9, %r1, 4, 0x181F, -1;");  // width 8
  EXPECT_EQ(down[3], 7U);
  EXPECT_EQ(down[4], 4U);
  const auto butterfly = lanes("shfl.sync.bfly.b32 %r9, %r1, 5, 31, -1;");
  EXPECT_EQ(butterfly[9], 12U);
  const auto index = lanes("shfl.sync.idx.b32 %r9, %r1, 3, 0x1C1F, -1;");  // width 4
  EXPECT_EQ(index[6], 7U);
}

TEST(XrayWarp, VotesMatchesAndReductions) {
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r1, 5; vote.sync.ballot.b32 %r9, %p1, -1;")[20], 31U);
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r1, 5; vote.sync.any.pred %p2, !%p1, -1;"
                  "selp.b32 %r9, 1, 0, %p2;")[0],
            1U);
  EXPECT_EQ(lanes("and.b32 %r2, %r1, 3; match.any.sync.b32 %r9, %r2, -1;")[5], 0x22222222U);
  EXPECT_EQ(lanes("redux.sync.add.s32 %r9, %r1, -1;")[7], 496U);
  EXPECT_EQ(lanes("activemask.b32 %r9;")[0], 0xFFFFFFFFU);
}

TEST(XrayWarp, ACollectiveWaitsForTheLanesOfItsMask) {
  // Even lanes come round the long way.
  const auto sums = lanes(R"(
    and.b32 %r2, %r1, 1;
    setp.eq.u32 %p1, %r2, 1;
    @%p1 bra MEET;
    add.u32 %r1, %r1, 0;
MEET:
    redux.sync.add.s32 %r9, %r1, 0xFFFFFFFF;)");
  EXPECT_EQ(sums[0], 496U);
  EXPECT_EQ(sums[31], 496U);
  // Two halves of the warp at different instructions, each with its own mask.
  const auto halves = lanes(R"(
    setp.lt.u32 %p1, %r1, 16;
    @%p1 bra LOW;
    redux.sync.add.s32 %r9, %r1, 0xFFFF0000;
    bra END;
LOW:
    redux.sync.add.s32 %r9, %r1, 0x0000FFFF;
END:)");
  EXPECT_EQ(halves[0], 120U);
  EXPECT_EQ(halves[31], 376U);
}

TEST(XrayWarp, LanesMeetAgainWhereRareCodeLiesBehindTheEnd) {
  Ptx ptx(kernel_text(R"(
    setp.eq.u32 %p1, %r1, 7;
    @%p1 bra RARE;
BACK:
    st.global.u32 [%rd1], %r1;
    ret;
RARE:
    add.u32 %r9, %r1, 1;
    bra BACK;)"));
  U32* data = ptx.buffer(std::vector<U32>(1));
  const LaunchReport report = ptx.run("k", {.grid = {1}, .block = {32}}, data);
  EXPECT_EQ(report.total.of(Kind::kGlobalStore), 1U);
}

TEST(XrayWarp, ALockBetweenLanesOfOneWarp) {
  const auto counter = run_body<U32>(R"(
SPIN:
    atom.global.cas.b32 %r2, [%rd1], 0, 1;
    setp.ne.u32 %p1, %r2, 0;
    @%p1 bra SPIN;
    ld.volatile.global.u32 %r3, [%rd1+4];
    add.u32 %r3, %r3, 1;
    st.volatile.global.u32 [%rd1+4], %r3;
    atom.global.exch.b32 %r2, [%rd1], 0;)",
                                     {0, 0});
  EXPECT_EQ(counter[1], 32U);
}

TEST(XrayBlock, BarriersVoteAndHandOver) {
  Ptx ptx(kernel_text(R"(
    setp.lt.u32 %p1, %r1, 40;
    bar.red.popc.u32 %r2, 0, %p1;
    bar.red.and.pred %p2, 1, %p1;
    bar.red.or.pred %p3, 1, %p1;
    selp.b32 %r3, 1, 0, %p2;
    selp.b32 %r4, 2, 0, %p3;
    add.u32 %r3, %r3, %r4;
    st.global.v2.u32 [%rd1], {%r2, %r3};)"));
  U32* data = ptx.buffer(std::vector<U32>(2));
  ptx.run("k", {.grid = {1}, .block = {96}}, data);
  EXPECT_EQ(data[0], 40U);
  EXPECT_EQ(data[1], 2U);
}

TEST(XrayBlock, AProducerAndAConsumerWarp) {
  Ptx ptx(R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
  .reg .pred %p<2>; .reg .b32 %r<4>; .reg .b64 %rd<2>;
  .shared .align 4 .b8 box[4];
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  setp.lt.u32 %p1, %r1, 32;
  @%p1 bra CONSUMER;
  mov.u32 %r2, 42;
  st.shared.u32 [box], %r2;
  bar.arrive 3, 64;
  ret;
CONSUMER:
  bar.sync 3, 64;
  ld.shared.u32 %r3, [box];
  st.global.u32 [%rd1], %r3;
  ret;
})");
  U32* data = ptx.buffer(std::vector<U32>(1));
  ptx.run("k", {.grid = {1}, .block = {64}}, data);
  EXPECT_EQ(*data, 42U);
}

std::string async_kernel(const std::string& wait) {
  return R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
  .reg .b32 %r<6>; .reg .b64 %rd<4>;
  .shared .align 16 .b8 tile[1024];
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 16;
  add.s64 %rd3, %rd1, %rd2;
  mov.u32 %r2, tile;
  shl.b32 %r3, %r1, 4;
  add.u32 %r2, %r2, %r3;
  cp.async.cg.shared.global [%r2], [%rd3], 16;
  cp.async.commit_group;
  cp.async.ca.shared.global [%r2+512], [%rd3], 4, 0;
  cp.async.commit_group;
  )" + wait +
         R"(
  ld.shared.u32 %r4, [%r2];
  add.u32 %r4, %r4, 1;
  st.global.u32 [%rd3], %r4;
  ret;
})";
}

TEST(XrayMemory, AnAsynchronousCopyLandsWhenItIsWaitedFor) {
  for (const auto& [wait, expected] : {std::pair{"cp.async.wait_group 1;", 8U},
                                       {"cp.async.wait_all;", 8U},
                                       {"cp.async.wait_group 2;", 1U}}) {
    Ptx ptx(async_kernel(wait));
    std::vector<U32> values(128);
    std::iota(values.begin(), values.end(), 3U);
    U32* data = ptx.buffer(values);
    const LaunchReport report = ptx.run("k", {.grid = {1}, .block = {32}}, data);
    EXPECT_EQ(data[4], expected) << wait;
    EXPECT_EQ(report.total.access.shared_requests, 3U);
  }
}

TEST(XrayMemory, GenericAddressesFindTheirSpace) {
  Ptx ptx(R"(.version 8.0
.target sm_80
.address_size 64
.const .align 4 .b8 seven[4] = {7, 0, 0, 0};
.visible .entry k(.param .u64 p)
{
  .reg .pred %p<3>; .reg .b32 %r<8>; .reg .b64 %rd<8>;
  .shared .align 4 .b8 box[4];
  .local .align 4 .b8 mine[8];
  ld.param.u64 %rd1, [p];
  mov.u64 %rd2, box;
  cvta.shared.u64 %rd3, %rd2;
  mov.u64 %rd4, mine;
  cvta.local.u64 %rd5, %rd4;
  mov.u32 %r1, 5;
  st.u32 [%rd3], %r1;
  st.u32 [%rd5+4], 6;
  ld.shared.u32 %r2, [box];
  ld.local.u32 %r3, [mine+4];
  ld.const.u32 %r4, [seven];
  add.u32 %r5, %r2, %r3;
  add.u32 %r5, %r5, %r4;
  isspacep.shared %p1, %rd3;
  isspacep.global %p2, %rd3;
  @%p1 add.u32 %r5, %r5, 100;
  @%p2 add.u32 %r5, %r5, 1000;
  st.u32 [%rd1], %r5;
  ret;
})");
  U32* data = ptx.buffer(std::vector<U32>(1));
  const LaunchReport report = ptx.run("k", {.grid = {1}, .block = {32}}, data);
  EXPECT_EQ(*data, 118U);
  EXPECT_EQ(report.total.access.local_requests, 2U);
}

TEST(XrayMemory, LanesHaveLocalMemoryOfTheirOwnAtNeighbouringAddressesToo) {
  Ptx ptx(R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
  .reg .b32 %r<6>; .reg .b64 %rd<8>;
  .local .align 4 .b8 mine[128];
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  mov.u64 %rd3, mine;
  st.local.u32 [mine+4], 7;
  add.s64 %rd4, %rd3, %rd2;
  add.u32 %r2, %r1, 100;
  st.local.u32 [%rd4], %r2;
  ld.local.u32 %r3, [mine+4];
  add.s64 %rd5, %rd1, %rd2;
  st.global.u32 [%rd5], %r3;
  ret;
})");
  U32* data = ptx.buffer(std::vector<U32>(32));
  ptx.run("k", {.grid = {1}, .block = {32}}, data);
  for (int lane = 0; lane < 32; ++lane) EXPECT_EQ(data[lane], lane == 1 ? 101U : 7U) << lane;
}

TEST(XrayMemory, CallsBecomeTheFunctionsBody) {
  Ptx ptx(R"(.version 8.0
.target sm_80
.address_size 64
.func (.param .b32 result) twice(.param .b32 x)
{
  .reg .b32 %r<3>; .reg .pred %p<2>;
  ld.param.b32 %r1, [x];
  setp.gt.u32 %p1, %r1, 15;
  @%p1 bra BIG;
  add.u32 %r1, %r1, %r1;
BIG:
  st.param.b32 [result], %r1;
  ret;
}
.visible .entry k(.param .u64 p)
{
  .reg .b32 %r<4>; .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  {
  .param .b32 given;
  st.param.b32 [given], %r1;
  .param .b32 back;
  call.uni (back), twice, (given);
  ld.param.b32 %r2, [back];
  }
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.u32 [%rd3], %r2;
  ret;
})");
  U32* data = ptx.buffer(std::vector<U32>(32));
  const LaunchReport report = ptx.run("k", {.grid = {1}, .block = {32}}, data);
  EXPECT_EQ(data[9], 18U);
  EXPECT_EQ(data[20], 20U);
  EXPECT_EQ(report.total.access.local_requests, 0U);
}

void fails(const std::string& body, const std::string& message, const LaunchShape& shape) {
  Ptx ptx(kernel_text(body), "bad.ptx");
  const U32* data = ptx.buffer(std::vector<U32>(64), "numbers");
  expect_error(
      [&] {
        ptx.run_with({.instruction_limit = 100000, .check = false, .limits = {}}, "k", shape, data);
      },
      message);
}

TEST(XrayErrors, NameKernelBlockThreadAndLine) {
  const LaunchShape warp{.grid = {1}, .block = {32}};
  fails("ld.global.u32 %r2, [%rd1+256];",
        "k: block (0, 0, 0), thread (0, 0, 0), bad.ptx:10: reads 4 bytes of global memory at 0x",
        warp);
  fails("ld.global.u32 %r2, [%rd1+256];", "0 bytes after the end of numbers (256 bytes)", warp);
  fails("ld.global.u32 %r2, [%rd1+2];", "which is no multiple of 4", warp);
  fails("mov.u64 %rd2, 0; st.global.u32 [%rd2], %r1;", "writes 4 bytes of global memory at 0x0",
        warp);
  fails("st.shared.u32 [16], %r1;", "of which there are 0 bytes", warp);
  fails("trap;", "the kernel stops itself", warp);
  fails("redux.sync.add.s32 %r9, %r1, 2;", "its mask 0x00000002 does not name the thread itself",
        warp);
  fails("bar.sync 99;", "there are 16 barriers, this is number 99", warp);
  fails("", "exceeds the limit", {.grid = {1}, .block = {2048}});
}

TEST(XrayErrors, AKernelThatNeverEndsSaysWhereItStands) {
  fails("setp.lt.u32 %p1, %r1, 32;\n@!%p1 bar.sync 0;\nL: bra L;",
        "k: the limit of 100000 warp instructions is used up in block (0, 0, 0): 32 threads run at "
        "bad.ptx:12, 32 threads wait at the barrier bad.ptx:11",
        {.grid = {1}, .block = {64}});
  fails("setp.lt.u32 %p1, %r1, 10;\n@%p1 bar.sync 0, 64;",
        "k: block (0, 0, 0) cannot go on: 10 threads wait at the barrier bad.ptx:11, 22 have left",
        {.grid = {1}, .block = {32}});
  fails(
      "setp.lt.u32 %p1, %r1, 10;\n@%p1 bra L;\nbar.sync 0, 64;\nL: redux.sync.add.s32 %r9, %r1, "
      "-1;",
      "22 threads wait at the barrier bad.ptx:12, 10 threads wait for lanes of their warp at",
      {.grid = {1}, .block = {32}});
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

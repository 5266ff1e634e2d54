#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/xray/orders.h"
#include "tests/kernels/xray/run_ptx.h"

// Hostile orders of threads: what depends on them is found, what does not keeps its bits.

namespace switchyard::kernels::xray::test {
namespace {

struct Outcome {
  LaunchReport report;
  std::uint32_t value = 0;
};

/// Runs a body with 2 blocks of 64 threads in the usual order and in five more.
Outcome run_in_orders(const std::string& body, bool is_checked,
                      std::uint64_t most_instructions = 1000000) {
  Memory memory;
  Code code(Module::parse(kernel_text(body), "k.ptx"), memory);
  const std::byte* word = memory.allocate(4, "word");
  std::vector<std::byte> parameters(sizeof word);
  std::memcpy(parameters.data(), &word, sizeof word);
  LaunchOptions options = checked();
  options.check = is_checked;
  Outcome done;
  done.report = launch_in_orders(code, memory, "k", {.grid = {2}, .block = {64}}, parameters,
                                 options, hostile_schedules(5), most_instructions);
  std::memcpy(&done.value, word, sizeof done.value);
  return done;
}

TEST(XrayOrders, FindAResultOfWhoeverWritesLast) {
  const Outcome done = run_in_orders("st.global.u32 [%rd1], %r1;", false);
  EXPECT_EQ(done.value, 63U);  // memory ends as the usual order left it
  ASSERT_FALSE(done.report.findings.empty());
  const Finding& first = done.report.findings[0];
  EXPECT_EQ(first.detector, Detector::kOrder);
  EXPECT_EQ(text(first),
            "k: byte 0 of word depends on the order of threads: reverse gives another than "
            "together");
  EXPECT_EQ(first.array, "word");
}

TEST(XrayOrders, ALongLaunchRunsInTwoOfThem) {
  const std::string body = "st.global.u32 [%rd1], %r1;";
  const std::size_t all = run_in_orders(body, false).report.findings.size();
  // 4 warps take 4 instructions each: enough for five orders, and not even for one.
  EXPECT_EQ(run_in_orders(body, false, 5 * 16).report.findings.size(), all);
  const Outcome some = run_in_orders(body, false, 15);
  EXPECT_LE(some.report.findings.size(), 2U);
  EXPECT_GT(all, some.report.findings.size());
  EXPECT_NE(text(some.report.findings.at(0)).find("reverse"), std::string::npos);
}

TEST(XrayOrders, ASumOfIntegersKeepsItsBits) {
  const Outcome done = run_in_orders("red.global.add.u32 [%rd1], %r1;", true);
  EXPECT_EQ(done.value, 2U * 63 * 32);
  EXPECT_TRUE(done.report.findings.empty());
}

TEST(XrayOrders, WhatTheCheckerFindsIsNotRunAgain) {
  const Outcome done = run_in_orders("st.global.u32 [%rd1], %r1;", true);
  ASSERT_FALSE(done.report.findings.empty());
  for (const Finding& one : done.report.findings) EXPECT_NE(one.detector, Detector::kOrder);
}

TEST(XrayOrders, CopiesMayLandBeforeTheyAreWaitedFor) {
  // Reads shared memory without waiting for the copy: the old bytes, or the new ones.
  const std::string body = R"(.shared .align 16 .b8 box[2048];
    mov.u32 %r2, box; shl.b32 %r3, %r1, 2; add.u32 %r2, %r2, %r3;
    st.global.u32 [%rd1], 7;
    mov.u32 %r4, 0; st.shared.u32 [%r2], %r4;
    cp.async.ca.shared.global [%r2], [%rd1], 4;
    cp.async.commit_group;
    mov.u32 %r6, 0;
    LOOP: add.u32 %r6, %r6, 1; setp.lt.u32 %p1, %r6, 200; @%p1 bra LOOP;
    ld.shared.u32 %r5, [%r2];
    cp.async.wait_all;
    red.global.max.u32 [%rd1], %r5;
    add.u32 %r5, %r5, 100;
    red.global.max.u32 [%rd1], %r5;)";
  const Outcome done = run_in_orders(body, false);
  EXPECT_EQ(done.value, 100U);  // as late as the wait allows
  EXPECT_FALSE(done.report.findings.empty());
}

/// A buffer of a terabyte takes address space alone, unless somebody reads all of it.
TEST(XrayOrders, OneOrderTouchesNoBufferAndSeveralCompareNoneThatIsTooLarge) {
  Memory memory;
  Code code(Module::parse(kernel_text("st.global.u32 [%rd1], 1;"), "k.ptx"), memory);
  const std::byte* huge = memory.allocate(std::size_t{1} << 40, "huge");
  std::vector<std::byte> parameters(sizeof huge);
  std::memcpy(parameters.data(), &huge, sizeof huge);
  const auto launch = [&](int orders) {
    launch_in_orders(code, memory, "k", {.grid = {1}, .block = {1}}, parameters, {},
                     hostile_schedules(orders));
  };
  launch(0);
  EXPECT_EQ(huge[0], std::byte{1});
  try {
    launch(1);
    ADD_FAILURE() << "a terabyte was copied";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("these have 1099511627776 bytes, at most 4294967296"),
              std::string::npos)
        << error.what();
  }
}

TEST(XrayOrders, SchedulesHaveNames) {
  const std::vector<Schedule> all = hostile_schedules(3);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(text(all[0]), "reverse");
  EXPECT_EQ(text(all[1]), "random:1");
  EXPECT_EQ(text(all[2]), "random:2");
  EXPECT_EQ(text(Schedule{}), "together");
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

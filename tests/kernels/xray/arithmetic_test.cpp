#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/kernels/xray/run_ptx.h"

// Instructions one by one: results are those that the PTX ISA defines, worked out by hand.

namespace switchyard::kernels::xray::test {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

U32 bits(float x) { return std::bit_cast<U32>(x); }
U64 bits(double x) { return std::bit_cast<U64>(x); }

/// Runs `text`, which finds a, b, c in %r2-%r4 and in %f2-%f4, and leaves its result in %r9.
U32 word(const std::string& text, U32 a, U32 b = 0, U32 c = 0) {
  const auto set = [](const char* name, U32 value) {
    return "mov.b32 %r" + std::string(name) + ", " + std::to_string(value) + "; mov.b32 %f" + name +
           ", %r" + name + ";\n";
  };
  return run_body<U32>(
      set("2", a) + set("3", b) + set("4", c) + text + "\nst.global.u32 [%rd1], %r9;", {0})[0];
}
/// The same with floats: the result is in %f9.
U32 number(const std::string& text, float a, float b = 0, float c = 0) {
  return word(text + "\nmov.b32 %r9, %f9;", bits(a), bits(b), bits(c));
}
/// The same with 64 bits: a, b in %rd2, %rd3 and %fd2, %fd3, the result in %rd9.
U64 wide(const std::string& text, U64 a, U64 b = 0) {
  const auto set = [](const char* name, U64 value) {
    return "mov.b64 %rd" + std::string(name) + ", " + std::to_string(value) + "; mov.b64 %fd" +
           name + ", %rd" + name + ";\n";
  };
  return run_body<U64>(set("2", a) + set("3", b) + text + "\nst.global.u64 [%rd1], %rd9;", {0})[0];
}

TEST(XrayArithmetic, IntegersWrapAndCarry) {
  EXPECT_EQ(word("add.s32 %r9, %r2, %r3;", 0x7FFFFFFF, 1), 0x80000000U);
  EXPECT_EQ(word("add.sat.s32 %r9, %r2, %r3;", 0x7FFFFFFF, 1), 0x7FFFFFFFU);
  EXPECT_EQ(word("mul.hi.s32 %r9, %r2, %r3;", 0xFFFFFFFF, 2), 0xFFFFFFFFU);
  EXPECT_EQ(word("mul.hi.u32 %r9, %r2, %r3;", 0xFFFFFFFF, 2), 1U);
  EXPECT_EQ(word("mad.lo.s32 %r9, %r2, %r3, %r4;", 3, 5, 7), 22U);
  EXPECT_EQ(word("mul24.lo.s32 %r9, %r2, %r3;", 0x00FFFFFF, 3), 0xFFFFFFFDU);  // -1 * 3
  EXPECT_EQ(word("sad.s32 %r9, %r2, %r3, %r4;", 0xFFFFFFFE, 3, 10), 15U);
  EXPECT_EQ(word("div.s32 %r9, %r2, %r3;", 0x80000000, 0xFFFFFFFF), 0x80000000U);
  EXPECT_EQ(word("rem.s32 %r9, %r2, %r3;", static_cast<U32>(-7), 3), static_cast<U32>(-1));
  EXPECT_EQ(word("div.u32 %r9, %r2, %r3;", 7, 0), 0xFFFFFFFFU);
  EXPECT_EQ(word("min.s32 %r9, %r2, %r3;", 0xFFFFFFFF, 1), 0xFFFFFFFFU);
  EXPECT_EQ(word("min.u32 %r9, %r2, %r3;", 0xFFFFFFFF, 1), 1U);
  EXPECT_EQ(word("add.cc.u32 %r5, %r2, %r3; addc.u32 %r9, %r4, 0;", 0xFFFFFFFF, 1, 5), 6U);
  EXPECT_EQ(word("sub.cc.u32 %r5, %r2, %r3; subc.u32 %r9, %r4, 0;", 1, 2, 5), 4U);
  EXPECT_EQ(word("mad.lo.cc.u32 %r5, %r2, %r3, %r2; madc.hi.u32 %r9, %r2, %r3, 0;", 0xFFFFFFFF, 2),
            2U);
  EXPECT_EQ(word("dp4a.s32.s32 %r9, %r2, %r3, %r4;", 0xFF020304, 0x01020304, 100), 128U);
  EXPECT_EQ(wide("mul.hi.u64 %rd9, %rd2, %rd3;", ~U64{0}, 4), 3U);
  EXPECT_EQ(wide("mul.wide.s32 %rd9, -3, 5;", 0), static_cast<U64>(-15));
  EXPECT_EQ(wide("mad.wide.u32 %rd9, 4294967295, 2, %rd2;", 2), 0x200000000U);
}

TEST(XrayArithmetic, BitsMoveAsTheManualSays) {
  EXPECT_EQ(word("shl.b32 %r9, %r2, %r3;", 1, 32), 0U);
  EXPECT_EQ(word("shr.s32 %r9, %r2, %r3;", 0x80000000, 40), 0xFFFFFFFFU);
  EXPECT_EQ(word("shr.u32 %r9, %r2, %r3;", 0x80000000, 31), 1U);
  EXPECT_EQ(word("bfe.u32 %r9, %r2, 4, 8;", 0x12345678), 0x67U);
  EXPECT_EQ(word("bfe.s32 %r9, %r2, 4, 8;", 0x00000F80), 0xFFFFFFF8U);
  EXPECT_EQ(word("bfe.s32 %r9, %r2, 28, 8;", 0x80000000), 0xFFFFFFF8U);  // beyond the end: the sign
  EXPECT_EQ(word("bfi.b32 %r9, %r2, %r3, 8, 4;", 0xFA, 0xFFFFFFFF), 0xFFFFFAFFU);
  EXPECT_EQ(word("brev.b32 %r9, %r2;", 0x00000003), 0xC0000000U);
  EXPECT_EQ(word("bfind.u32 %r9, %r2;", 0x00010000), 16U);
  EXPECT_EQ(word("bfind.s32 %r9, %r2;", 0xFFFFFFFF), 0xFFFFFFFFU);
  EXPECT_EQ(word("bfind.shiftamt.u32 %r9, %r2;", 0x00010000), 15U);
  EXPECT_EQ(word("popc.b32 %r9, %r2;", 0xF0F0), 8U);
  EXPECT_EQ(word("clz.b32 %r9, %r2;", 0), 32U);
  EXPECT_EQ(word("prmt.b32 %r9, %r2, %r3, 0x7531;", 0x33221100, 0x77665544), 0x77553311U);
  EXPECT_EQ(word("prmt.b32 %r9, %r2, %r3, 0x0008;", 0x00000080), 0x808080FFU);
  EXPECT_EQ(word("shf.l.wrap.b32 %r9, %r2, %r3, 8;", 0x11223344, 0x55667788), 0x66778811U);
  EXPECT_EQ(word("shf.r.clamp.b32 %r9, %r2, %r3, 40;", 0x11223344, 0x55667788), 0x55667788U);
  EXPECT_EQ(word("lop3.b32 %r9, %r2, %r3, %r4, 0xE8;", 0xC, 0xA, 0x6), 0xEU);  // majority
  EXPECT_EQ(word("lop3.b32 %r9, %r2, %r3, %r4, 0x1E;", 0xF0, 0xCC, 0xAA), 0x1EU);
}

TEST(XrayArithmetic, FloatsRoundFlushAndSaturate) {
  const float third = 1.0F / 3.0F;
  EXPECT_EQ(number("div.rn.f32 %f9, %f2, %f3;", 1, 3), bits(third));
  EXPECT_EQ(number("div.rz.f32 %f9, %f2, %f3;", 1, 3), bits(third) - 1);
  EXPECT_EQ(number("add.rp.f32 %f9, %f2, %f3;", 1, 0x1p-30F), bits(1.0F) + 1);
  EXPECT_EQ(number("add.rm.f32 %f9, %f2, %f3;", 1, -0x1p-30F), bits(1.0F) - 1);
  EXPECT_EQ(number("fma.rn.f32 %f9, %f2, %f2, %f3;", 1 + 0x1p-12F, -1), bits(0x1p-11F + 0x1p-24F));
  EXPECT_EQ(number("mul.ftz.f32 %f9, %f2, %f3;", 0x1p-100F, -0x1p-40F), 0x80000000U);
  EXPECT_EQ(number("add.sat.f32 %f9, %f2, %f3;", 1, 1), bits(1.0F));
  EXPECT_EQ(number("min.f32 %f9, %f2, %f3;", std::numeric_limits<float>::quiet_NaN(), 2),
            bits(2.0F));
  EXPECT_EQ(number("max.f32 %f9, %f2, %f3;", -0.0F, 0.0F), 0U);
  EXPECT_EQ(number("copysign.f32 %f9, %f2, %f3;", -1, 3), bits(-3.0F));
  EXPECT_EQ(number("sqrt.rn.f32 %f9, %f2;", 2), bits(1.41421356237F));
  EXPECT_EQ(number("ex2.approx.ftz.f32 %f9, %f2;", 3), bits(8.0F));
  EXPECT_EQ(number("lg2.approx.f32 %f9, %f2;", 8), bits(3.0F));
  EXPECT_EQ(wide("sub.f64 %fd9, %fd2, %fd3; mov.b64 %rd9, %fd9;", bits(1.5), bits(0.25)),
            bits(1.25));
  EXPECT_EQ(wide("rcp.rn.f64 %fd9, %fd2; mov.b64 %rd9, %fd9;", bits(3.0)), bits(1.0 / 3.0));
}

TEST(XrayArithmetic, HalvesAreRoundedOnce) {
  // 1 + 2^-11 lies half way between two halves: to even.
  EXPECT_EQ(word("add.rn.f16x2 %r9, %r2, %r3;", 0x3C003C00, 0x10003C00), 0x3C004000U);
  EXPECT_EQ(word("fma.rn.bf16x2 %r9, %r2, %r3, %r4;", 0x3F803F80, 0x40004000, 0x3F803F80),
            0x40404040U);
  EXPECT_EQ(word("max.f16x2 %r9, %r2, %r3;", 0xBC003C00, 0x3C007E00), 0x3C003C00U);
  EXPECT_EQ(word("neg.f16x2 %r9, %r2;", 0x3C008000), 0xBC000000U);
}

TEST(XrayArithmetic, Conversions) {
  EXPECT_EQ(word("cvt.rzi.s32.f32 %r9, %f2;", bits(-2.9F)), static_cast<U32>(-2));
  EXPECT_EQ(word("cvt.rni.s32.f32 %r9, %f2;", bits(2.5F)), 2U);
  EXPECT_EQ(word("cvt.rmi.s32.f32 %r9, %f2;", bits(-2.1F)), static_cast<U32>(-3));
  EXPECT_EQ(word("cvt.rzi.u32.f32 %r9, %f2;", bits(-5.0F)), 0U);
  EXPECT_EQ(word("cvt.rzi.s32.f32 %r9, %f2;", bits(1e20F)), 0x7FFFFFFFU);
  EXPECT_EQ(word("cvt.rzi.s32.f32 %r9, %f2;", 0x7FC00000), 0U);
  EXPECT_EQ(word("cvt.rn.f32.s32 %f9, %r2; mov.b32 %r9, %f9;", 0x7FFFFFFF), bits(0x1p31F));
  EXPECT_EQ(word("cvt.rz.f32.s32 %f9, %r2; mov.b32 %r9, %f9;", 0x7FFFFFFF), bits(0x1p31F) - 1);
  EXPECT_EQ(word("cvt.rn.f16.f32 %rs1, %f2; cvt.u32.u16 %r9, %rs1;", bits(65519.0F)), 0x7BFFU);
  EXPECT_EQ(word("cvt.rn.bf16.f32 %rs1, %f2; cvt.u32.u16 %r9, %rs1;", bits(1.00390625F)), 0x3F80U);
  EXPECT_EQ(word("cvt.rn.bf16x2.f32 %r9, %f2, %f3;", bits(1.0F), bits(2.0F)), 0x3F804000U);
  EXPECT_EQ(word("cvt.rna.tf32.f32 %r9, %f2;", bits(1.0F) + 0x1000), bits(1.0F) + 0x2000);
  EXPECT_EQ(word("cvt.u16.u32 %rs1, %r2; cvt.s32.s8 %r9, %r2;", 0x1FF), 0xFFFFFFFFU);
  EXPECT_EQ(word("cvt.sat.u8.s32 %r9, %r2;", 300), 255U);
  EXPECT_EQ(word("cvt.sat.s8.s32 %r9, %r2;", static_cast<U32>(-300)), static_cast<U32>(-128));
  EXPECT_EQ(word("cvt.rni.f32.f32 %f9, %f2; mov.b32 %r9, %f9;", bits(3.5F)), bits(4.0F));
  EXPECT_EQ(word("cvt.sat.f32.f32 %f9, %f2; mov.b32 %r9, %f9;", bits(-3.5F)), 0U);
  EXPECT_EQ(wide("cvt.s64.s32 %rd9, -5;", 0), static_cast<U64>(-5));
  EXPECT_EQ(wide("cvt.rn.f64.u64 %fd9, %rd2; mov.b64 %rd9, %fd9;", ~U64{0}), bits(0x1p64));
  EXPECT_EQ(wide("cvt.rzi.u64.f64 %rd9, %fd2;", bits(0x1p63)), U64{1} << 63);
  // 2^24 + 1 + 2^-30 would be rounded wrongly by way of float32 twice.
  EXPECT_EQ(wide("cvt.rn.f32.f64 %f9, %fd2; mov.b32 %r9, %f9; cvt.u64.u32 %rd9, %r9;",
                 bits(0x1p24 + 1 + 0x1p-20)),
            bits(0x1p24F + 2));
}

TEST(XrayArithmetic, ComparisonsKnowNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto compare = [](const std::string& text, float a, float b) {
    return word("setp." + text + " %p1, %f2, %f3; selp.b32 %r9, 1, 0, %p1;", bits(a), bits(b));
  };
  EXPECT_EQ(compare("lt.f32", 1, 2), 1U);
  EXPECT_EQ(compare("ne.f32", nan, 2), 0U);
  EXPECT_EQ(compare("neu.f32", nan, 2), 1U);
  EXPECT_EQ(compare("geu.f32", nan, 2), 1U);
  EXPECT_EQ(compare("num.f32", nan, 2), 0U);
  EXPECT_EQ(word("setp.lt.and.u32 %p1|%p2, %r2, %r3, !%p3; selp.b32 %r4, 2, 0, %p2;"
                 "selp.b32 %r9, 1, %r4, %p1;",
                 5, 3),
            2U);
  EXPECT_EQ(word("set.gt.u32.s32 %r9, %r2, %r3;", 1, 0xFFFFFFFF), 0xFFFFFFFFU);
  EXPECT_EQ(word("slct.b32.s32 %r9, %r2, %r3, %r4;", 10, 20, 0xFFFFFFFF), 20U);
  EXPECT_EQ(word("testp.subnormal.f32 %p1, %f2; selp.b32 %r9, 1, 0, %p1;", 1), 1U);
}

TEST(XrayArithmetic, PartsOfRegisters) {
  EXPECT_EQ(word("mov.b32 {%rs1, %rs2}, %r2; mov.b32 %r9, {%rs2, %rs1};", 0x12345678), 0x56781234U);
  EXPECT_EQ(wide("mov.b64 {%r5, %r6}, %rd2; mov.b64 %rd9, {%r6, %r5};", 0x0123456789ABCDEFU),
            0x89ABCDEF01234567U);
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

#include <gtest/gtest.h>

#include <string>

#include "kernels/api/error.h"
#include "tests/kernels/xray/run_ptx.h"
#include "tests/support/expect_error.h"

namespace switchyard::kernels::xray::test {
namespace {

using switchyard::test::expect_error;

constexpr const char* kHead = ".version 8.0\n.target sm_80\n.address_size 64\n";

std::shared_ptr<const Module> parse(const std::string& text) {
  return Module::parse(kHead + text, "bad.ptx");
}

TEST(XrayParser, FindsKernelsParametersAndLines) {
  const auto module = Module::parse(ptx_file("counted.ptx"), "counted.ptx");
  EXPECT_EQ(module->kernels().size(), 14U);
  const Function* copy = module->function("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->parameter_bytes, 20U);
  EXPECT_EQ(copy->variables[copy->parameters[2]].offset, 16U);
  EXPECT_EQ(module->place(copy->statements[5].source, 7).substr(0, 11), "counted.cu:");
}

TEST(XrayParser, ResolvesNamesInNestedScopes) {
  const auto module = parse(R"(
.visible .entry k() {
  .reg .b32 %r<3>;
  mov.u32 %r1, 1;
  { .reg .b32 %r<2>; .reg .pred p; bra DONE; mov.u32 %r1, 2; DONE: }
  { DONE: mov.u32 %r2, 3; bra DONE; }
  ret;
})");
  const auto& statements = module->function("k")->statements;
  EXPECT_EQ(statements[0].operands[0].index, 1U);
  EXPECT_EQ(statements[2].operands[0].index, 4U);  // the inner %r1
  EXPECT_EQ(statements[1].operands[0].index, 3U);  // the first DONE
  EXPECT_EQ(statements[4].operands[0].index, 3U);  // the second
}

TEST(XrayParser, ReadsEveryNotationOfNumbers) {
  const auto module = parse(R"(
.global .align 8 .b64 table[3] = {0x10, 010, 0b11};
.global .f32 one = 1.0;
.const .b8 bytes[4] = {1, 2, 255};
.visible .entry k() { .reg .f64 %fd<2>; add.f64 %fd1, %fd1, 0dBFF0000000000000; }
)");
  const auto& table = module->variables()[0];
  EXPECT_EQ(table.initial,
            std::string("\x10\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0", 24));
  EXPECT_EQ(module->variables()[1].initial, std::string("\0\0\x80\x3f", 4));
  EXPECT_EQ(module->variables()[2].initial, "\x01\x02\xff");
  EXPECT_EQ(module->function("k")->statements[0].operands[2].value,
            static_cast<std::int64_t>(0xBFF0000000000000U));
}

TEST(XrayParser, AnAsmStatementHasOnePlace) {
  const auto module = parse(R"(.file 1 "a.py"
.visible .entry k() {
  .loc 1 14 3
  // begin inline asm
  .loc 1 14 3
  bar.sync 0;
  .loc 1 15 3
  bar.sync 0;
  // end inline asm
  // begin inline asm
  .loc 1 20 3
  bar.sync 0;
  .loc 1 21 3
  bar.sync 0;
  // end inline asm
  .loc 1 30 3
  ret;
})");
  std::vector<std::uint32_t> lines;
  for (const Statement& one : module->function("k")->statements) {
    lines.push_back(module->sources()[one.source].line);
  }
  EXPECT_EQ(lines, (std::vector<std::uint32_t>{14, 14, 20, 20, 30}));
}

TEST(XrayParser, SaysWhatIsWrongAndWhere) {
  struct Bad {
    std::string text, message;
  };
  const std::string open = ".visible .entry k() {\n.reg .b32 %r<4>; .reg .pred %p<2>;\n";
  for (const Bad& bad : {
           Bad{"nonsense", "bad.ptx:4: unknown directive 'nonsense'"},
           {open + "add.s32 %r1, %r2 %r3;\n}", "bad.ptx:6: expected ';', got '%r3'"},
           {open + "add.s32 %r1, %r2, %r3;\n", "bad.ptx:7: the body of k has no end"},
           {open + "L: ret;\nL: ret;\n}", "bad.ptx:7: the label 'L' is there twice"},
           {open + "@%r1 ret;\n}", "bad.ptx:6: a guard is a predicate register"},
           {open + "mov.u32 %r1, 12x4;\n}", "bad.ptx:6: '12x4' is no number"},
           {open + "/* no end", "bad.ptx:6: a comment has no end"},
           {open + "mov.u32 %r1, #;\n}", "bad.ptx:6: the character '#' is not one of PTX"},
           {".visible .entry k() { .reg .b32 %r<99999999>; }",
            "bad.ptx:4: '99999999' is more than"},
           {".global .b8 x[99999999999];", "is more than"},
           {".global .b8 x[2] = {1, 2, 3};", "bad.ptx:4: x has 2 bytes and initial values of 3"},
           {".entry k() { ret; }\n.entry k() { ret; }",
            "bad.ptx:5: the function k is defined twice"},
       }) {
    expect_error([&] { parse(bad.text); }, bad.message);
  }
  expect_error([] { Module::parse("", "e.ptx"); },
               "e.ptx:1: PTX begins with .version, here is the end of the file");
  expect_error([] { Module::parse(".version 4.0\n.address_size 32\n", "e.ptx"); },
               "e.ptx:3: only addresses of 64 bits");
}

void launch(const std::string& text, const std::string& kernel = "k") {
  Ptx ptx(text, "bad.ptx");
  ptx.run(kernel, {.grid = {1}, .block = {32}}, static_cast<std::uint64_t>(0));
}

TEST(XrayDecoder, RefusesWhatItCannotRun) {
  struct Bad {
    std::string body, message;
  };
  for (const Bad& bad : {
           Bad{"frobnicate.u32 %r2, %r3;", "bad.ptx:10: unknown or unsupported instruction 'frob"},
           {"wgmma.fence.sync.aligned;", "unsupported instruction 'wgmma.fence.sync.aligned'"},
           {"cp.async.bulk.commit_group;", "bad.ptx:10: "},
           {"mbarrier.init.shared.b64 [%r2], 1;", "unsupported instruction 'mbarrier.init"},
           {"add.s32 %r2, %rd3, %r4;", "bad.ptx:10: add.s32: the register %rd3 has 64 bits, expec"},
           {"add.s32 %r2, %r3;", "add.s32: has 2 operands, expected 3"},
           {"add.s32 5, %r3, %r4;", "add.s32: a result goes to a register"},
           {"bra NOWHERE;", "bad.ptx:10: unknown label 'NOWHERE'"},
           {"mov.u32 %r2, %nothing;", "bad.ptx:10: unknown register '%nothing'"},
           {"ld.global.f32 %f1, %rd1;", "expected an address in brackets"},
           {"call.uni nobody, ();", "the function nobody has no body here"},
           {"setp.lt.s32 %r2, %r3, %r4;", "the register %r2 has 32 bits, expected 1"},
           {"setp.foo.s32 %p1, %r3, %r4;", "unknown comparison"},
       }) {
    expect_error([&] { launch(kernel_text(bad.body)); }, bad.message);
  }
  expect_error([] { launch(kernel_text(""), "other"); },
               "bad.ptx: there is no kernel other; it has k");
  const std::string recursive = std::string(kHead) +
                                ".func f() { call.uni f, (); ret; }\n"
                                ".visible .entry k(.param .u64 p) { call.uni f, (); ret; }";
  expect_error([&] { launch(recursive); }, "the function f calls itself");
}

TEST(XrayDecoder, UnusedKernelsMayHoldAnything) {
  const std::string text = kernel_text("") + ".visible .entry odd() { wgmma.fence.sync.aligned; }";
  EXPECT_NO_THROW(launch(text));
}

}  // namespace
}  // namespace switchyard::kernels::xray::test

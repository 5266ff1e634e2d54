#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/io/safetensors.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

const std::string kPtx = std::string(SWITCHYARD_SOURCE_DIR) + "/tests/kernels/xray/ptx/counted.ptx";

class XrayTest : public AppTest {
 protected:
  static Arguments xray(const std::string& kernel) { return {"xray", kPtx, "--kernel", kernel}; }
};

TEST_F(XrayTest, ShowsTheWorstLineFirstWithItsText) {
  const Arguments run = xray("transpose_tiled") +
                        Arguments{"--grid",          "2,2",   "--block",        "32,32", "--arg",
                                  "random:f32:4096", "--arg", "zeros:f32:4096", "--arg", "64"};
  const ProgramResult text = run_switchyard(run);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("4224 (ideal 256)"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("tile[tx][kSwizzled ? ty ^ tx : ty]"), std::string::npos) << text.out;

  const ProgramResult made = run_switchyard(run + Arguments{"--json"});
  const auto document = nlohmann::json::parse(made.out);
  EXPECT_EQ(document["target"]["kind"], "file");
  const auto& counted = document["ladder"][0];
  EXPECT_EQ(counted["total"]["shared"]["turns"], 4 * 32 * 33);
  EXPECT_EQ(counted["total"]["global"]["sectors"], 4 * 32 * 8);
  EXPECT_EQ(counted["total"]["moved_bytes"], 4 * 32 * 8 * 32);
  const auto& launch = counted["launches"][0];
  EXPECT_EQ(launch["grid"], (std::vector<int>{2, 2, 1}));
  EXPECT_EQ(launch["lines"][0]["text"], "y[to] = tile[tx][kSwizzled ? ty ^ tx : ty];");
}

TEST_F(XrayTest, TakesBuffersOfFilesAndTypedNumbers) {
  write_safetensors(path("x.safetensors"),
                    {{{"x", Tensor::from<float>({3}, {1.0F, 2.0F, 3.0F})}}, {}});
  const Arguments run = xray("copy") + Arguments{"--arg", path("x.safetensors") + ":x",
                                                 "--arg", "zeros:f32:3",
                                                 "--arg", "i32:3",
                                                 "--json"};
  const ProgramResult made = run_switchyard(run);
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(nlohmann::json::parse(made.out)["ladder"][0]["total"]["global"]["bytes"], 24);
}

TEST_F(XrayTest, ChecksAndSaysSo) {
  const Arguments tile{"--grid",         "1",     "--block",        "32,32", "--arg",
                       "zeros:f32:1024", "--arg", "zeros:f32:1024", "--arg", "32",
                       "--check"};
  const ProgramResult right = run_switchyard(xray("transpose_tiled") + tile);
  EXPECT_EQ(right.exit_code, 0) << right.err;
  EXPECT_NE(right.out.find("check: nothing found"), std::string::npos) << right.out;

  // The same kernel without its barrier.
  std::ifstream file(kPtx);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  for (std::size_t at = text.find("bar.sync"); at != std::string::npos;
       at = text.find("bar.sync")) {
    text.replace(at, 8, "// no b");
  }
  write_bytes(path("broken.ptx"), text);
  const ProgramResult wrong =
      run_switchyard(Arguments{"xray", path("broken.ptx"), "--kernel", "transpose_tiled"} + tile);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.out.find("check: 2 findings"), std::string::npos) << wrong.out;
  EXPECT_NE(wrong.out.find("race: transpose_tiled: block (0, 0, 0), thread (0, 1, 0), counted.cu:"),
            std::string::npos)
      << wrong.out;
  const ProgramResult document = run_switchyard(
      Arguments{"xray", path("broken.ptx"), "--kernel", "transpose_tiled", "--json"} + tile);
  EXPECT_EQ(document.exit_code, 1);
  const nlohmann::json findings =
      nlohmann::json::parse(document.out)["ladder"][0]["launches"][0]["findings"];
  ASSERT_EQ(findings.size(), 2U);  // the store may come too early, and the load too
  EXPECT_EQ(findings[0]["detector"], "race");
  EXPECT_EQ(findings[0]["line"], 28);
  EXPECT_EQ(findings[1]["line"], 30);
  EXPECT_EQ(findings[0]["array"], "tile");
  EXPECT_EQ(findings[0]["index"], 32);
  EXPECT_EQ(findings[0]["other"]["block"], (std::vector<int>{0, 0, 0}));
}

TEST_F(XrayTest, ComparesResultsWithWhatIsExpected) {
  const Arguments run = xray("copy") + Arguments{"--arg",   "values:f32:1,nan,-2.5*2",
                                                 "--arg",   "zeros:f32:4",
                                                 "--arg",   "4",
                                                 "--expect"};
  const ProgramResult right = run_switchyard(run + Arguments{"1=values:f32:1,nan,-2.5,-2.5"});
  EXPECT_EQ(right.exit_code, 0) << right.err;
  EXPECT_NE(right.out.find("results: as expected"), std::string::npos) << right.out;

  const ProgramResult wrong = run_switchyard(run + Arguments{"1=values:f32:1,0,-2.5,-2.6"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.err.find("copy: argument 1: element 1 is nan, expected 0; 2 of 4 differ"),
            std::string::npos)
      << wrong.err;
  const Arguments near{"1=values:f32:1,nan,-2.5,-2.6", "--tolerance", "0.05"};
  EXPECT_EQ(run_switchyard(run + near).exit_code, 0);
  const Arguments farther{"1=values:f32:1,nan,-2.5,-2.7", "--tolerance", "0.05"};
  EXPECT_EQ(run_switchyard(run + farther).exit_code, 1);
}

TEST_F(XrayTest, BadExpectationsAreOneClearLine) {
  const auto fails = [&](const std::string& expectation, const std::string& part) {
    const ProgramResult result =
        run_switchyard(xray("copy") + Arguments{"--arg", "zeros:f32:4", "--arg", "zeros:f32:4",
                                                "--arg", "4", "--expect", expectation});
    EXPECT_EQ(result.exit_code, 2) << expectation << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  };
  fails("zeros:f32:4", "is not N=BUFFER");
  fails("x=zeros:f32:4", "is not N=BUFFER");
  fails("1.0=zeros:f32:4", "is not N=BUFFER");
  fails("2=zeros:f32:4", "names an argument that is no buffer");
  fails("1.2=zeros:f32:4", "names an argument that is no buffer");
  fails("1=4", "names no buffer to compare with");
  fails("1=", "names no buffer to compare with");
  fails("1=zeros:f32:3", "has 12 bytes, argument 1 has 16");
  fails("1=values:f32:1,x", "--expect: 'values:f32:1,x' holds what is no number of its type");
  fails("1=values:i8:300", "holds what is no number of its type");
  fails("1=values:i8:", "needs at least one number");
  fails("1=values:i8:1*99999999999", "repeats a number too often");
}

TEST_F(XrayTest, TakesStructuresWithinStructures) {
  // A field of 4 bytes, then a structure that begins at 8: its second field lies at 16.
  write_bytes(path("nested.ptx"),
              ".version 8.0\n.target sm_80\n.address_size 64\n"
              ".visible .entry k(.param .align 8 .b8 p[24], .param .u64 to)\n{\n"
              ".reg .b32 %r<3>; .reg .b64 %rd<2>;\n"
              "ld.param.u32 %r1, [p+16];\nld.param.u64 %rd1, [to];\n"
              "mov.u32 %r2, %tid.x;\nsetp.eq.u32 %p1, %r1, 7;\n"
              "@!%p1 trap;\nst.global.u32 [%rd1], %r1;\nret;\n}\n");
  std::ifstream file(path("nested.ptx"));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  text.insert(text.find(".reg .b32"), ".reg .pred %p<2>; ");
  write_bytes(path("nested.ptx"), text);
  const auto run = [&](const std::string& argument) {
    return run_switchyard(
        {"xray", path("nested.ptx"), "--arg", argument, "--arg", "out:i32:1", "--check"});
  };
  const ProgramResult right = run("{i32:1, {i64:2, i32:7}}");
  EXPECT_EQ(right.exit_code, 0) << right.out << right.err;
  EXPECT_NE(run("{i32:1, {i64:2, i32:8}}").out.find("stop: k: block (0, 0, 0)"), std::string::npos);
  EXPECT_NE(run("{i32:1, {i64:2, i32:7}").err.find("has no closing brace"), std::string::npos);
}

TEST_F(XrayTest, FindsAResultThatIsNotWritten) {
  const ProgramResult result =
      run_switchyard(xray("copy") + Arguments{"--arg", "iota:f32:64", "--arg", "out:f32:8*8",
                                              "--arg", "60", "--grid", "2", "--check"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.out.find("result_not_written: copy: never writes 4 of the 64 elements of "
                            "argument 1, the first is argument 1[60]"),
            std::string::npos)
      << result.out << result.err;
}

TEST_F(XrayTest, SaysWhatDramMovesAndWhatTheOrderChanges) {
  const Arguments run =
      xray("copy") + Arguments{"--grid",        "32",    "--block",        "128",   "--arg",
                               "iota:f32:4096", "--arg", "zeros:f32:4096", "--arg", "4096",
                               "--cache"};
  const ProgramResult made = run_switchyard(run + Arguments{"--json", "--orders", "2"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  const auto document = nlohmann::json::parse(made.out);
  const auto& launch = document["ladder"][0]["launches"][0];
  EXPECT_TRUE(launch["findings"].empty());
  EXPECT_EQ(launch["cache"]["schedule"], "together");
  for (const auto& point : launch["cache"]["curve"]) {
    EXPECT_EQ(point["read_bytes"], 4096 * 4);
    EXPECT_EQ(point["written_bytes"], 4096 * 4);
  }
  const ProgramResult text = run_switchyard(run + Arguments{"--schedule", "random:7"});
  EXPECT_NE(text.out.find("DRAM, blocks in the order random:7: "), std::string::npos)
      << text.out << text.err;
}

TEST_F(XrayTest, BadInputIsOneClearLine) {
  const auto fails = [&](const Arguments& arguments, int code, const std::string& part) {
    const ProgramResult result = run_switchyard(arguments);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  };
  const Arguments buffers{"--arg", "zeros:f32:64", "--arg", "zeros:f32:64"};
  fails(xray("nothing"), 2, "--kernel: 'nothing' names 0 kernels");
  fails(xray("copy"), 2, "copy takes 3 arguments, got 0");
  fails(xray("copy") + buffers + Arguments{"--arg", "x"}, 2, "--arg 2: 'x' is no number");
  fails(xray("copy") + buffers + Arguments{"--arg", "i64:3"}, 2, "has 8 bytes, the parameter 4");
  fails(xray("copy") + buffers + Arguments{"--arg", "64", "--grid", "0"}, 2, "--grid: expected X");
  fails(xray("copy") + buffers + Arguments{"--arg", "64", "--block", "2000"}, 1,
        "exceeds the limit");
  fails(xray("copy") + buffers + Arguments{"--arg", "100", "--block", "128"}, 1,
        "counted.cu:8 (counted.ptx:");
  const Arguments large{"--arg", "zeros:f32:4096", "--arg", "zeros:f32:64"};
  fails(xray("conditional") + large + Arguments{"--arg", "100", "--limit", "50"}, 1,
        "the limit of 50 warp instructions is used up in block (0, 0, 0): ");
  fails(xray("copy") + large + Arguments{"--arg", "100", "--schedule", "random"}, 2,
        "--schedule: expected together, reverse or random:SEED");
  fails(xray("copy") + large + Arguments{"--arg", "100", "--blocks", "3"}, 2,
        "--blocks: there is no block 3, the grid has 1");
  fails(xray("copy") + large + Arguments{"--arg", "100", "--grid", "1,65536"}, 1,
        "exceeds the limit");
  fails(xray("copy") + Arguments{"--arg", "zeros:f32:n", "--arg", "zeros:f32:8", "--arg", "8"}, 2,
        "--arg 0: 'zeros:f32:n' needs a count of at most 2^44");
  fails({"xray", path("none.ptx")}, 1, "none.ptx");
  fails(xray("copy") + Arguments{"--order", "1"}, 2, "--order does not concern");
  fails({"xray", "softmax", "--grid", "2"}, 2, "--grid does not concern softmax");
  fails({"xray", "softmax", "--gpu", "h10"}, 2, "--gpu: no GPU 'h10'; did you mean 'h100'?");
  fails({"xray", "softmax", "--diff", path("none.json")}, 1, "none.json");
  fails({"xray", path("none.cu")}, 1, "none.cu");
  fails({"xray", path("none.txt")}, 2, "expected a .cu or a .ptx file");
}

}  // namespace
}  // namespace switchyard::test

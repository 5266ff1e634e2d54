// Output that nobody can read: closed or full streams.

#include <algorithm>
#include <filesystem>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

/// The program run by a shell that first does what `redirection` says.
ProgramResult redirected(const std::string& redirection, const Arguments& arguments) {
  const Arguments shell = {"sh", "-c", "exec \"$@\" " + redirection, "sh"};
  return Program(shell + switchyard_command(arguments)).wait();
}

std::vector<Arguments> quick_commands() {
  return {{},
          {"--help"},
          {"--version"},
          {"help", "train"},
          {"train", "--help"},
          {"version"},
          {"version", "--json"},
          {"devices"},
          {"kernels", "softmax"},
          {"kernels", "--json"},
          {"study", "--print-config"},
          {"gradcheck", "relu", "--order", "1"},
          {"gradcheck", "relu", "--order", "1", "--json"}};
}

TEST(StreamsTest, WhatStdoutDoesNotTakeIsAnError) {
  for (const char* redirection : {">/dev/full", ">&-"}) {
    for (const Arguments& arguments : quick_commands()) {
      SCOPED_TRACE(fmt::format("switchyard {} {}", fmt::join(arguments, " "), redirection));
      const ProgramResult result = redirected(redirection, arguments);
      EXPECT_EQ(result.exit_code, 1);
      EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
      EXPECT_TRUE(result.err.starts_with("switchyard: cannot write to stdout: ")) << result.err;
    }
  }
}

TEST(StreamsTest, AClosedOrFullStderrChangesNothing) {
  for (const char* redirection : {"2>/dev/full", "2>&-", "<&- 2>&-"}) {
    SCOPED_TRACE(redirection);
    EXPECT_EQ(redirected(redirection, {"fly"}).exit_code, 2);
    EXPECT_EQ(redirected(redirection, {"train", "--threads", "0"}).exit_code, 2);
    EXPECT_EQ(redirected(redirection, {"hessian", "--run", "no such run"}).exit_code, 1);
    EXPECT_EQ(redirected(redirection, {"kernels"}).exit_code, 0);
    EXPECT_EQ(redirected(redirection, {"kernels"}).out, expect_success({"kernels"}));
  }
  EXPECT_EQ(redirected(">&- 2>&- <&-", {"version"}).exit_code, 1);
  EXPECT_EQ(redirected(">/dev/full 2>/dev/full", {"version"}).exit_code, 1);
}

class StreamsFileTest : public AppTest {};

/// The first file that a program opens gets the lowest free descriptor: stdout's, were it left
/// closed.
TEST_F(StreamsFileTest, NoFileTakesThePlaceOfAClosedStream) {
  write_safetensors(path("logits"),
                    {{{"logits", Tensor::from({1, 2}, std::vector<double>{0, 1})}}, {}});
  const Arguments route = {"route", "--logits", path("logits"), "--k", "1", "--out", path("out")};
  expect_success(route);
  const std::string expected = read_file(path("out"));
  for (const char* redirection : {">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
    std::filesystem::remove(path("out"));
    const ProgramResult result = redirected(redirection, route);
    EXPECT_EQ(result.exit_code, std::string(redirection) == "2>&-" ? 0 : 1) << redirection;
    EXPECT_TRUE(read_file(path("out")) == expected) << redirection;
  }
}

TEST_F(StreamsFileTest, AFullStdoutDoesNotStopTraining) {
  const ProgramResult result = redirected(">/dev/full", train("run"));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "switchyard: cannot write to stdout: No space left on device\n");
  EXPECT_TRUE(std::filesystem::exists(path("run/results.json")));
  EXPECT_EQ(redirected("2>/dev/full", train("other") + Arguments{"--json"}).exit_code, 0);
}

}  // namespace
}  // namespace switchyard::test

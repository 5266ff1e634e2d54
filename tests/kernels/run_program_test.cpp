#include "kernels/api/run_program.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class RunProgram : public testing::Test {
 protected:
  std::optional<int> run(const std::vector<std::string>& command) {
    return run_program(command, log_);
  }

  TemporaryDirectory folder_;
  std::string log_ = folder_ / "log";
};

TEST_F(RunProgram, ReturnsTheExitCodeAndKeepsOutputAndMessages) {
  EXPECT_EQ(run({"sh", "-c", "echo out; echo message >&2; exit 3"}), 3);
  EXPECT_EQ(text_of(log_), "out\nmessage\n");
  EXPECT_EQ(run({"/bin/sh", "-c", "exit 0"}), 0);
  EXPECT_EQ(text_of(log_), "");  // each run begins it anew
}

TEST_F(RunProgram, PassesArgumentsOnAsTheyAre) {
  const std::string odd = "a  b'c\"; $(exit 9) *";
  EXPECT_EQ(run({"printf", "%s|%s", odd, ""}), 0);
  EXPECT_EQ(text_of(log_), odd + "|");
}

TEST_F(RunProgram, GivesTheProgramNoInput) {
  EXPECT_EQ(run({"cat"}), 0);
  EXPECT_EQ(text_of(log_), "");
}

TEST_F(RunProgram, TellsASignalFromAnExitCode) { EXPECT_EQ(run({"sh", "-c", "kill -9 $$"}), -1); }

TEST_F(RunProgram, TellsAMissingProgramFromOneThatCannotBeStarted) {
  EXPECT_EQ(run({"no-such-program-anywhere"}), std::nullopt);
  const std::string data = folder_ / "data";
  std::ofstream(data) << "no program";
  expect_error([&] { run({data}); }, data + " cannot be started: Permission denied");
}

}  // namespace
}  // namespace switchyard::test

// libgomp prints its settings on stderr where OMP_DISPLAY_ENV asks for them, each time it is
// loaded.

#include <gtest/gtest.h>

#include "tests/app/program.h"

namespace switchyard::test {
namespace {

/// Returns what libgomp printed for `switchyard version`, started without the settings of the
/// test's own environment and with `settings`.
std::string libgomp_settings(const std::vector<std::string>& settings) {
  std::vector<std::string> command = {
      "env", "-u", "OMP_WAIT_POLICY", "-u", "GOMP_SPINCOUNT", "OMP_DISPLAY_ENV=VERBOSE"};
  command.insert(command.end(), settings.begin(), settings.end());
  for (const std::string& word : switchyard_command({"version"})) command.push_back(word);
  const ProgramResult result = Program(command).wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.err;
}

/// The last spin count that libgomp read.
std::string spin_count(const std::string& settings) {
  const std::string key = "GOMP_SPINCOUNT = '";
  const std::size_t begin = settings.rfind(key);
  if (begin == std::string::npos) return "none in: " + settings;
  const std::size_t number = begin + key.size();
  return settings.substr(number, settings.find('\'', number) - number);
}

TEST(WaitPolicy, ThreadsSleepByDefault) { EXPECT_EQ(spin_count(libgomp_settings({})), "0"); }

TEST(WaitPolicy, TheUsersSettingStays) {
  EXPECT_EQ(spin_count(libgomp_settings({"GOMP_SPINCOUNT=777"})), "777");
  const std::string active = libgomp_settings({"OMP_WAIT_POLICY=active"});
  EXPECT_NE(active.rfind("OMP_WAIT_POLICY = 'ACTIVE'"), std::string::npos) << active;
  EXPECT_NE(spin_count(active), "0");
}

TEST(WaitPolicy, ArgumentsSurviveTheSecondStart) {
  std::vector<std::string> command = {"env", "-u", "OMP_WAIT_POLICY", "-u", "GOMP_SPINCOUNT"};
  for (const std::string& word : switchyard_command({"no such command", ""}))
    command.push_back(word);
  const ProgramResult result = Program(command).wait();
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_NE(result.err.find("no such command"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace switchyard::test

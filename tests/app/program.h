#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace switchyard::test {

/// Holds what a finished program left behind.
struct ProgramResult {
  int exit_code = -1;  ///< 128 + the signal's number where one ended it
  std::string out, err;
};

/// A program that runs in the background, its output in files. It is killed when it goes out of
/// scope.
class Program {
 public:
  /// Finds `arguments[0]` in PATH unless it has a slash.
  explicit Program(const std::vector<std::string>& arguments);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  ProgramResult wait();

 private:
  pid_t process_ = -1;
  int out_ = -1;
  int err_ = -1;
};

/// Runs the program under test, `switchyard`, with these arguments.
ProgramResult run_switchyard(std::vector<std::string> arguments);
/// Returns the command that starts the program under test with these arguments.
std::vector<std::string> switchyard_command(std::vector<std::string> arguments);

/// Expects exit code `code` and exactly one line on stderr, which begins "switchyard: " and
/// contains `part`.
void expect_failure(const std::vector<std::string>& arguments, int code, const std::string& part);
/// Expects exit code 0 and returns what was printed on stdout.
std::string expect_success(const std::vector<std::string>& arguments);

}  // namespace switchyard::test

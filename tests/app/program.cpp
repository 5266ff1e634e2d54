#include "tests/app/program.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "engine/core/check.h"

namespace switchyard::test {
namespace {

/// A nameless file in memory, however much is written to it.
int memory_file(const char* name) {
  const int file = ::memfd_create(name, 0);
  check(file >= 0, "cannot make a file in memory");
  return file;
}

std::string contents(int file) {
  std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  const ssize_t got = ::pread(file, text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments)
    : out_(memory_file("out")), err_(memory_file("err")) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  process_ = ::fork();
  check(process_ >= 0, "cannot fork");
  if (process_ > 0) return;
  ::dup2(out_, STDOUT_FILENO);
  ::dup2(err_, STDERR_FILENO);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

Program::~Program() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ::close(out_);
  ::close(err_);
}

void Program::signal(int number) const { ::kill(process_, number); }

ProgramResult Program::wait() {
  int status = 0;
  check(::waitpid(process_, &status, 0) == process_, "cannot wait");
  process_ = -1;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, contents(out_), contents(err_)};
}

std::vector<std::string> switchyard_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), SWITCHYARD_PROGRAM);
  return arguments;
}

ProgramResult run_switchyard(std::vector<std::string> arguments) {
  return Program(switchyard_command(std::move(arguments))).wait();
}

void expect_failure(const std::vector<std::string>& arguments, int code, const std::string& part) {
  SCOPED_TRACE(fmt::format("switchyard {}", fmt::join(arguments, " ")));
  const ProgramResult result = run_switchyard(arguments);
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_TRUE(result.err.starts_with("switchyard: ")) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos)
      << "expected: " << part << "\nit is: " << result.err;
}

std::string expect_success(const std::vector<std::string>& arguments) {
  const ProgramResult result = run_switchyard(arguments);
  EXPECT_EQ(result.exit_code, 0) << fmt::format("switchyard {}\n{}", fmt::join(arguments, " "),
                                                result.err);
  return result.out;
}

}  // namespace switchyard::test

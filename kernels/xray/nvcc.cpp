#include "kernels/xray/nvcc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "kernels/api/error.h"
#include "kernels/api/temporary_directory.h"

namespace switchyard::kernels::xray {
namespace {

namespace fs = std::filesystem;

/// Runs a program with its output and messages in `log`. Returns whether it ended with 0.
bool run(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  // posix_spawn takes what it does not change without const.
  for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t process = 0;
  const int failed =
      posix_spawn(&process, command[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    throw Error(fmt::format("{} cannot be started: {}", command[0],
                            std::error_code(failed, std::generic_category()).message()));
  }
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

bool compile_with_nvcc(const std::string& nvcc, const std::string& file,
                       const std::vector<std::string>& options, std::string& output) {
  const TemporaryDirectory folder;
  const std::string ptx = folder / "kernel.ptx", log = folder / "messages";
  std::vector<std::string> command = {nvcc, "-ptx", "-o", ptx};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(fs::absolute(file).string());  // a name that begins with a dash is no option
  const bool went_well = run(command, log);
  output = text_of(went_well ? ptx : log);
  return went_well;
}

std::optional<std::string> find_nvcc(const std::string& toolkit) {
  const char* const set = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  std::string folders = set == nullptr ? "" : set;
  folders += ":" + toolkit + "/bin";
  for (std::size_t at = 0; at <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', at), folders.size());
    const std::string path = folders.substr(at, end - at) + "/nvcc";
    if (end > at && access(path.c_str(), X_OK) == 0) return path;
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace switchyard::kernels::xray

#include "kernels/xray/nvcc.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "kernels/api/error.h"
#include "kernels/api/run_program.h"
#include "kernels/api/temporary_directory.h"

namespace switchyard::kernels::xray {
namespace {

namespace fs = std::filesystem;

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
  const std::optional<int> code = run_program(command, log);
  if (!code) throw Error(fmt::format("{} cannot be started: there is no such program", nvcc));
  const bool went_well = *code == 0;
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

#include "kernels/xray/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <regex>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/xray/nvcc.h"
#include "kernels/xray/nvrtc.h"

namespace switchyard::kernels::xray {
namespace {

/// What regular expressions are shown of a line; their time and stack grow with it.
constexpr std::size_t kMostOfALine = 1000;

std::string environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return value == nullptr || *value == '\0' ? otherwise : value;
}

std::string toolkit() { return environment("CUDA_HOME", "/usr/local/cuda"); }

std::optional<Nvrtc> find_nvrtc() {
  const std::string chosen = environment("SWITCHYARD_NVRTC", "");
  if (chosen == "none") return std::nullopt;
  if (!chosen.empty()) return Nvrtc({chosen});
  try {
    return Nvrtc(
        {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", toolkit() + "/lib64/libnvrtc.so"});
  } catch (const Error&) {
    return std::nullopt;  // most machines have none
  }
}

/// "compute_90" of "sm_90": what PTX is made for.
std::string virtual_architecture(const std::string& architecture) {
  const std::size_t digits = architecture.find('_');
  return "compute_" + architecture.substr(digits == std::string::npos ? 0 : digits + 1);
}

std::vector<std::string> nvrtc_options(const Nvrtc& nvrtc, const std::string& file,
                                       const std::string& architecture) {
  std::vector<std::string> options = {"--gpu-architecture=" + virtual_architecture(architecture),
                                      "--generate-line-info", "--std=c++17"};
  std::filesystem::path beside = std::filesystem::path(file).parent_path();
  if (beside.empty()) beside = ".";
  options.push_back("--include-path=" + beside.string());
  for (const auto& folder : nvrtc.include_folders()) {
    options.push_back("--include-path=" + folder.string());
  }
  return options;
}

}  // namespace

std::string first_compile_error(const std::string& output) {
  static const std::array<std::regex, 2> kForms = {
      std::regex(R"(^(.+)\((\d+)\): (?:catastrophic )?error[^:]*: (.*)$)"),  // NVIDIA's
      std::regex(R"(^(.+?):(\d+):\d+: (?:fatal )?error: (.*)$)")};           // the host compiler's
  std::string first;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, std::min(end - at, kMostOfALine));
    at = end + 1;
    for (const std::regex& form : kForms) {
      std::smatch parts;
      if (!std::regex_match(line, parts, form)) continue;
      return fmt::format("{}:{}: {}", parts[1].str(), parts[2].str(), parts[3].str());
    }
    if (first.empty()) first = line;
  }
  return first;
}

std::string compile_cuda(const std::string& text, const std::string& file,
                         const std::string& architecture) {
  std::string output;
  const std::optional<Nvrtc> nvrtc = find_nvrtc();
  if (nvrtc && nvrtc->compile(text, file, nvrtc_options(*nvrtc, file, architecture), output)) {
    return output;
  }
  const std::optional<std::string> nvcc = find_nvcc(toolkit());
  if (!nvrtc && !nvcc) {
    throw Error(
        fmt::format("{}: no compiler for CUDA here: './run xray' offers NVIDIA's from PyPI, or "
                    "install the CUDA "
                    "toolkit (nvcc in PATH or in CUDA_HOME), or give a .ptx file",
                    file));
  }
  const std::vector<std::string> options = {"-arch=" + virtual_architecture(architecture),
                                            "-lineinfo", "-std=c++17"};
  if (nvcc && compile_with_nvcc(*nvcc, file, options, output)) return output;
  throw Error(first_compile_error(output));
}

}  // namespace switchyard::kernels::xray

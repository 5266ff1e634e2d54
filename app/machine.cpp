#include "app/machine.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "build_info.h"
#include "engine/core/device.h"

namespace switchyard {
namespace {

/// Returns the text behind `key`, `separator` and blanks in the first line that begins with `key`.
std::string field_of(const char* file, const std::string& key, char separator) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t mark = line.find(separator);
    if (!line.starts_with(key) || mark == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t\"", mark + 1);
    const std::size_t end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

std::string or_unknown(std::string text) { return text.empty() ? "unknown" : std::move(text); }

std::string operating_system() {
  const std::string name = field_of("/etc/os-release", "PRETTY_NAME", '=');
  if (!name.empty()) return name;
  utsname system = {};
  return ::uname(&system) == 0 ? system.sysname : "unknown";
}

std::string compiler() {
#if defined(__clang__)
  return fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

nlohmann::json describe_machine(const std::string& device, int threads) {
  const auto memory = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
  return {{"cpu", or_unknown(field_of("/proc/cpuinfo", "model name", ':'))},
          {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"threads", threads},
          {"memory_bytes", memory},
          {"device", device},
          {"os", operating_system()},
          {"compiler", compiler()},
          {"onednn", onednn_version()},
          {"version", kVersion},
          {"git_commit", kGitCommit}};
}

std::vector<std::string> instruction_sets() {
  static constexpr const char* kInteresting[] = {
      "sse4_2",      "avx",         "f16c",        "fma",      "avx2",     "avx_vnni", "avx512f",
      "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16", "amx_fp16"};
  std::istringstream flags(field_of("/proc/cpuinfo", "flags", ':'));
  const std::set<std::string> present{std::istream_iterator<std::string>(flags), {}};
  std::vector<std::string> found;
  for (const char* name : kInteresting) {
    if (present.contains(name)) found.emplace_back(name);
  }
  return found;
}

std::string version_text() {
  const std::string commit = kGitCommit;
  return commit.empty() ? kVersion : fmt::format("{} ({})", kVersion, commit);
}

}  // namespace switchyard

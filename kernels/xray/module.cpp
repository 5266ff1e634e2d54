#include "kernels/xray/module.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>

namespace switchyard::kernels::xray {

bool parse_type(std::string_view text, Type& type) {
  if (text.starts_with('.')) text.remove_prefix(1);
  struct Named {
    std::string_view name;
    Type type;
  };
  static constexpr Named kNamed[] = {
      {"pred", {'p', 1}},    {"bf16", {'h', 16}},  {"bf16x2", {'h', 32}}, {"tf32", {'t', 32}},
      {"f16x2", {'f', 32}},  {"e4m3", {'e', 8}},   {"e5m2", {'e', 8}},    {"e4m3x2", {'e', 16}},
      {"e5m2x2", {'e', 16}}, {"u16x2", {'u', 32}}, {"s16x2", {'s', 32}},  {"f32x2", {'f', 64}},
  };
  for (const Named& named : kNamed) {
    if (text == named.name) {
      type = named.type;
      return true;
    }
  }
  if (text.size() < 2 || std::string_view("busf").find(text[0]) == std::string_view::npos) {
    return false;
  }
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  const bool is_width =
      bits == 8 || bits == 16 || bits == 32 || bits == 64 || (bits == 128 && text[0] == 'b');
  if (!is_width || (text[0] == 'f' && bits == 8)) return false;
  type = {text[0], static_cast<std::uint8_t>(bits)};
  return true;
}

std::vector<std::string> Module::kernels() const {
  std::vector<std::string> names;
  for (const auto& function : functions_) {
    if (function->is_kernel && function->has_body) names.push_back(function->name);
  }
  return names;
}

const Function* Module::function(std::string_view name) const {
  const auto found = function_names_.find(name);
  return found == function_names_.end() ? nullptr : functions_[found->second].get();
}

std::int64_t Module::variable(std::string_view name) const {
  const auto found = variable_names_.find(name);
  return found == variable_names_.end() ? -1 : static_cast<std::int64_t>(found->second);
}

const std::string& Module::source_file(std::uint32_t number) const {
  static const std::string unknown;
  const auto found = files_.find(number);
  return found == files_.end() ? unknown : found->second;
}

const Source& Module::shown(std::uint32_t source) const {
  std::uint32_t at = source;
  for (int depth = 0; depth < 16; ++depth) {
    const std::string& path = source_file(sources_[at].file);
    const bool is_nvidias = path.find("cuda") != std::string::npos ||
                            path.find("/nvidia/") != std::string::npos;  // as PyPI installs it
    const bool is_toolkit = is_nvidias && path.find("/include/") != std::string::npos;
    if (!is_toolkit || sources_[at].outer == 0) return sources_[at];
    at = sources_[at].outer;
  }
  return sources_[source];
}

std::string Module::place(std::uint32_t source, std::uint32_t line) const {
  const std::string ptx =
      fmt::format("{}:{}", std::filesystem::path(file_).filename().string(), line);
  const Source& from = shown(source);
  const std::string& path = source_file(from.file);
  if (path.empty()) return ptx;
  return fmt::format("{}:{} ({})", std::filesystem::path(path).filename().string(), from.line, ptx);
}

std::string source_name(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  if (status != 0) return name;
  const std::string_view whole(demangled.get());
  const std::size_t scope = whole.rfind("::");
  return std::string(scope == std::string_view::npos ? whole : whole.substr(scope + 2));
}

}  // namespace switchyard::kernels::xray

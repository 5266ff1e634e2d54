#include "kernels/workbench/resources.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace switchyard::kernels::workbench {
namespace {

/// The integer before `unit` in a line such as "Used 24 registers, 128 bytes smem"; 0 if missing.
int number_before(std::string_view line, std::string_view unit) {
  const std::size_t end = line.find(unit);
  if (end == std::string_view::npos) return 0;
  const std::size_t begin = line.find_last_not_of("0123456789", end - 1) + 1;
  int value = 0;
  std::from_chars(line.data() + begin, line.data() + end, value);
  return value;
}

/// Calls body(line) for each line of the text.
template <class Body>
void for_each_line(std::string_view text, const Body& body) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    body(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Returns what lies between two quotes, the `number`-th pair of the line.
std::string quoted(std::string_view line, int number) {
  for (int i = 0; i < 2 * number + 1; ++i) {
    const std::size_t quote = line.find('\'');
    if (quote == std::string_view::npos) return "";
    line.remove_prefix(quote + 1);
  }
  return std::string(line.substr(0, line.find('\'')));
}

void remove_all(std::string& text, std::string_view part) {
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part)) {
    text.erase(at, part.size());
  }
}

/// Cuts the parameter list of a function's signature off: the last bracket that opens outside of
/// all template arguments.
std::string without_parameters(const std::string& signature) {
  int depth = 0;
  for (std::size_t i = 0; i < signature.size(); ++i) {
    depth += signature[i] == '<' ? 1 : signature[i] == '>' ? -1 : 0;
    if (signature[i] == '(' && depth == 0) return signature.substr(0, i);
  }
  return signature;
}

/// Says what one multiprocessor holds, and in what portions it is given out. CUDA C++ Programming
/// Guide, "Technical Specifications per Compute Capability"; portions: NVIDIA's occupancy
/// calculator.
struct Multiprocessor {
  int warps = 64;
  int blocks = 32;
  int registers = 65536;
  int register_portion = 256;  // to a warp
  int warp_portion = 4;        // registers are given to so many warps at a time
  int shared_bytes = 0;
  int reserved_shared_bytes = 1024;  // of every block, by the driver
  int shared_portion = 128;
};

Multiprocessor multiprocessor(const std::string& architecture) {
  Multiprocessor m;
  if (architecture == "sm_80") {
    m.shared_bytes = 164 << 10;
  } else if (architecture == "sm_90") {
    m.shared_bytes = 228 << 10;
  } else {
    throw std::invalid_argument(
        fmt::format("occupancy: known for sm_80 and sm_90, got {}", architecture));
  }
  return m;
}

int rounded_up(int value, int portion) { return (value + portion - 1) / portion * portion; }

}  // namespace

std::string short_kernel_name(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) return mangled;
  std::string name = text.get();
  if (name.starts_with("void ")) name.erase(0, 5);
  for (const char* part : {"(anonymous namespace)::", "switchyard::kernels::"}) {
    remove_all(name, part);
  }
  name = without_parameters(name);
  for (const auto& [from, to] : {std::pair{"> >", ">>"}, std::pair{"(int)", ""}}) {
    for (std::size_t at = name.find(from); at != std::string::npos; at = name.find(from)) {
      name.replace(at, std::string_view(from).size(), to);
    }
  }
  return name;
}

std::map<std::string, LaunchBounds> launch_bounds(std::string_view object) {
  constexpr std::string_view kEntry = ".entry ";
  std::map<std::string, LaunchBounds> bounds;
  for (std::size_t at = object.find(kEntry); at != std::string_view::npos;
       at = object.find(kEntry, at + 1)) {
    const std::string_view rest = object.substr(at + kEntry.size());
    LaunchBounds found;
    const std::string name(rest.substr(0, rest.find_first_of("( \n")));
    const std::size_t next = std::min(rest.find(kEntry), rest.size());
    const std::string_view text = rest.substr(0, next);
    const std::string_view head = text.substr(0, text.find("\n{"));
    // .maxntid 32, 8, 1
    if (const std::size_t bound = head.find(".maxntid "); bound != std::string_view::npos) {
      found.threads = 1;
      std::string_view line = head.substr(bound + 9);
      line = line.substr(0, line.find('\n'));
      for (int dimension = 0; dimension < 3 && !line.empty(); ++dimension) {
        int extent = 1;
        std::from_chars(line.data(), line.data() + line.size(), extent);
        found.threads *= extent;
        const std::size_t comma = line.find(", ");
        line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 2);
      }
    }
    constexpr std::string_view kBytes = "// switchyard_dynamic_shared_bytes ";
    if (const std::size_t constant = text.find(kBytes); constant != std::string_view::npos) {
      const std::string_view number = text.substr(constant + kBytes.size());
      std::from_chars(number.data(), number.data() + number.size(), found.dynamic_bytes);
    } else {
      found.adds_dynamic = text.find("switchyard_dynamic_shared") != std::string_view::npos;
    }
    bounds[name] = found;
  }
  return bounds;
}

std::vector<KernelResources> parse_ptxas_report(std::string_view report, const std::string& source,
                                                const std::map<std::string, LaunchBounds>& bounds) {
  std::vector<KernelResources> kernels;
  std::string mangled;
  int dynamic_bytes = 0;
  bool is_kernel = false;  // the properties are the kernel's own, not of a function that it calls
  for_each_line(report, [&](std::string_view line) {
    if (line.find("Compiling entry function '") != std::string_view::npos) {
      mangled = quoted(line, 0);
      const auto found = bounds.find(mangled);
      const LaunchBounds bound = found == bounds.end() ? LaunchBounds{} : found->second;
      dynamic_bytes = bound.dynamic_bytes;
      kernels.push_back({.source = source,
                         .kernel = short_kernel_name(mangled),
                         .architecture = quoted(line, 1),
                         .block = bound.threads > 0 ? bound.threads : kUsualBlock,
                         .is_bounded = bound.threads > 0,
                         .adds_dynamic = bound.adds_dynamic});
    } else if (kernels.empty()) {
      return;
    } else if (line.find("Function properties for ") != std::string_view::npos) {
      is_kernel = line.ends_with(" " + mangled);
    } else if (line.find(" bytes stack frame") != std::string_view::npos) {
      if (is_kernel) kernels.back().stack_bytes = number_before(line, " bytes stack frame");
      kernels.back().spill_bytes +=
          number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
    } else if (line.find(" registers") != std::string_view::npos) {
      kernels.back().registers = number_before(line, " registers");
      kernels.back().stack_bytes =
          std::max(kernels.back().stack_bytes, number_before(line, " bytes cumulative stack size"));
      kernels.back().shared_bytes = number_before(line, " bytes smem") + dynamic_bytes;
    }
  });
  return kernels;
}

Occupancy occupancy(const KernelResources& kernel) {
  const Multiprocessor m = multiprocessor(kernel.architecture);
  const int warps = (kernel.block + 31) / 32;
  const int of_warp = rounded_up(std::max(kernel.registers, 1) * 32, m.register_portion);
  const int of_block = rounded_up(kernel.shared_bytes + m.reserved_shared_bytes, m.shared_portion);
  const std::pair<int, const char*> limits[] = {
      {m.warps / warps, "warps"},
      {m.blocks, "blocks"},
      {m.registers / of_warp / m.warp_portion * m.warp_portion / warps, "registers"},
      {m.shared_bytes / of_block, "shared memory"}};
  const auto least =
      std::min_element(std::begin(limits), std::end(limits),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
  return {least->first, static_cast<double>(least->first * warps) / m.warps, least->second};
}

}  // namespace switchyard::kernels::workbench

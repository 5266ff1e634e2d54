#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "app/resource_table.h"

namespace switchyard {
namespace {

using kernels::workbench::KernelResources;
using kernels::workbench::Occupancy;
using kernels::workbench::occupancy;

/// A kernel and everything that it is instantiated for.
struct Group {
  std::string source, name;
  std::vector<const KernelResources*> members;
};

std::vector<Group> groups(const ResourceTable& table) {
  std::vector<Group> list;
  for (const KernelResources& k : table.kernels) {
    const std::string name = k.kernel.substr(0, k.kernel.find('<'));
    if (list.empty() || list.back().source != k.source || list.back().name != name) {
      list.push_back({k.source, name, {}});
    }
    list.back().members.push_back(&k);
  }
  return list;
}

std::vector<std::string> architectures(const ResourceTable& table) {
  std::vector<std::string> names;
  for (const KernelResources& k : table.kernels) {
    if (std::find(names.begin(), names.end(), k.architecture) == names.end()) {
      names.push_back(k.architecture);
    }
  }
  return names;
}

/// "32", or "18-40", of a member over those of one architecture; "" for any.
template <class Value>
std::string range(const Group& group, const std::string& architecture, const Value& value) {
  int least = 1 << 30;
  int most = -1;
  for (const KernelResources* k : group.members) {
    if (!architecture.empty() && k->architecture != architecture) continue;
    least = std::min(least, value(*k));
    most = std::max(most, value(*k));
  }
  if (most < 0) return "-";
  return least == most ? fmt::format("{}", most) : fmt::format("{}-{}", least, most);
}

/// Lowest share of the warps, and what limits it there.
std::string lowest_occupancy(const Group& group, const std::string& architecture) {
  Occupancy lowest = {0, 2.0, ""};
  for (const KernelResources* k : group.members) {
    if (k->architecture != architecture) continue;
    const Occupancy fit = occupancy(*k);
    if (fit.share < lowest.share) lowest = fit;
  }
  if (lowest.limited_by.empty()) return "-";
  if (lowest.share == 1.0) return "100 %";
  return fmt::format("{:.0f} % ({})", 100 * lowest.share, lowest.limited_by);
}

std::vector<std::string> cells(const Group& group, const std::vector<std::string>& archs) {
  const auto any = [&](const auto& has) {
    return std::any_of(group.members.begin(), group.members.end(),
                       [&](const KernelResources* k) { return has(*k); });
  };
  const auto distinct = [&] {
    std::vector<std::string> names;
    for (const KernelResources* k : group.members) names.push_back(k->kernel);
    std::sort(names.begin(), names.end());
    return std::unique(names.begin(), names.end()) - names.begin();
  };
  std::vector<std::string> row = {
      group.name, fmt::format("{}", distinct()),
      range(group, "", [](const KernelResources& k) { return k.block; }) +
          (any([](const KernelResources& k) { return !k.is_bounded; }) ? "" : " b")};
  for (const std::string& arch : archs) {
    row.push_back(range(group, arch, [](const KernelResources& k) { return k.registers; }));
  }
  row.push_back(range(group, "", [](const KernelResources& k) { return k.shared_bytes; }) +
                (any([](const KernelResources& k) { return k.adds_dynamic; }) ? " + d" : ""));
  row.push_back(range(group, "", [](const KernelResources& k) { return k.stack_bytes; }));
  row.push_back(range(group, "", [](const KernelResources& k) { return k.spill_bytes; }));
  for (const std::string& arch : archs) row.push_back(lowest_occupancy(group, arch));
  return row;
}

std::vector<std::string> headings(const std::vector<std::string>& archs) {
  std::vector<std::string> row = {"kernel", "instances", "block"};
  for (const std::string& arch : archs) row.push_back("registers " + arch);
  row.insert(row.end(), {"shared bytes", "stack bytes", "spilled"});
  for (const std::string& arch : archs) row.push_back("occupancy " + arch);
  return row;
}

constexpr const char* kIntroduction = R"(# What the kernels ask of a GPU

Written by `./run resources --write docs/kernels`; not to be edited. A test compares every build with
[resources.json](resources.json), which has a line for each instantiation: a kernel that spills, takes more
local or shared memory or fits a multiprocessor fewer times than there fails it.

Registers, shared memory, stack and spills are what ptxas, nvcc's assembler, reports for {} (nvcc {}).

- **block**: threads of a block. `b`: declared by `__launch_bounds__` and so known to the compiler; the others are
  launched with 256.
- **registers** of a thread, **shared bytes** of a block, dynamic ones too where every launch asks for the same (more than
  48 KiB, the four stages of large tiles). `+ d`: the launch adds dynamic shared memory, 4 bytes an expert (32 in the sort), which
  is not counted.
- **stack bytes** of a thread in local memory: arrays that are indexed at run time, and **spilled** registers.
- **occupancy**: the share of a multiprocessor's 64 warps that can be on it at a time, the lowest of the instances. The blocks that
  fit are the least of: 64 warps over those of a block; 32; 65,536 registers, given out to a warp in portions of 256 and to 4
  warps at a time; 164 KiB (sm_80) or 228 KiB (sm_90) of shared memory, in portions of 128 bytes and with 1 KiB more for each block.
  In brackets what limits it. Low is not bad as such: a register tile trades warps for operands that are at hand.
)";

}  // namespace

std::string to_markdown(const ResourceTable& table) {
  const std::vector<std::string> archs = architectures(table);
  std::string text =
      fmt::format(fmt::runtime(kIntroduction), fmt::join(archs, " and "), table.toolkit);
  std::string source;
  for (const Group& group : groups(table)) {
    if (group.source != source) {
      const auto names = headings(archs);
      text += fmt::format("\n## {}\n\n| {} |\n|---|", group.source, fmt::join(names, " | "));
      for (std::size_t i = 1; i < names.size(); ++i) text += "--:|";
      text += "\n";
      source = group.source;
    }
    text += fmt::format("| {} |\n", fmt::join(cells(group, archs), " | "));
  }
  return text;
}

std::string to_text(const ResourceTable& table, bool each_instantiation) {
  std::string text;
  if (each_instantiation) {
    text = fmt::format("{:<6} {:>5} {:>9} {:>7} {:>6} {:>6} {:>9}  {}\n", "arch", "block",
                       "registers", "shared", "stack", "spills", "occupancy", "kernel");
    for (const KernelResources& k : table.kernels) {
      text += fmt::format("{:<6} {:>5} {:>9} {:>7} {:>6} {:>6} {:>7.0f} %  {}: {}\n",
                          k.architecture, k.block, k.registers, k.shared_bytes, k.stack_bytes,
                          k.spill_bytes, 100 * occupancy(k).share, k.source, k.kernel);
    }
    return text;
  }
  const std::vector<std::string> archs = architectures(table);
  std::vector<std::vector<std::string>> rows = {headings(archs)};
  for (const Group& group : groups(table)) rows.push_back(cells(group, archs));
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += fmt::format("{:<{}}{}", row[i], widths[i], i + 1 < row.size() ? "  " : "\n");
    }
  }
  return text;
}

}  // namespace switchyard

#include "app/resource_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

using kernels::workbench::KernelResources;
using kernels::workbench::Occupancy;
using kernels::workbench::occupancy;
using nlohmann::ordered_json;

auto order_of(const KernelResources& k) { return std::tie(k.source, k.kernel, k.architecture); }

ordered_json to_json(const KernelResources& k) {
  const Occupancy fit = occupancy(k);
  return {{"source", k.source},
          {"kernel", k.kernel},
          {"architecture", k.architecture},
          {"block", k.block},
          {"bounded", k.is_bounded},
          {"registers", k.registers},
          {"shared_bytes", k.shared_bytes},
          {"adds_dynamic_shared", k.adds_dynamic},
          {"stack_bytes", k.stack_bytes},
          {"spill_bytes", k.spill_bytes},
          {"blocks", fit.blocks},
          {"occupancy", fit.share}};
}

std::string label(const KernelResources& k) {
  return fmt::format("{}: {}, {}", k.source, k.kernel, k.architecture);
}

/// Says in words what is worse about `now`; empty if nothing is.
std::string worse(const KernelResources& before, const KernelResources& now) {
  const auto grew = [](const char* what, int from, int to) {
    return fmt::format("{} bytes of {} instead of {}", to, what, from);
  };
  if (now.spill_bytes > before.spill_bytes) {
    return grew("registers spilled", before.spill_bytes, now.spill_bytes);
  }
  if (now.stack_bytes > before.stack_bytes) {
    return grew("local memory a thread", before.stack_bytes, now.stack_bytes);
  }
  const Occupancy from = occupancy(before);
  const Occupancy to = occupancy(now);
  if (to.share < from.share) {
    return fmt::format(
        "occupancy {:.0f} % instead of {:.0f} %, by {} ({} registers were {}, {} "
        "bytes of shared memory were {})",
        100 * to.share, 100 * from.share, to.limited_by, now.registers, before.registers,
        now.shared_bytes, before.shared_bytes);
  }
  if (now.shared_bytes > before.shared_bytes) {
    return grew("shared memory a block", before.shared_bytes, now.shared_bytes);
  }
  return "";
}

}  // namespace

ResourceTable read_reports(const std::filesystem::path& objects, const std::string& toolkit) {
  ResourceTable table = {toolkit, {}};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(objects, ignored)) {
    if (entry.path().extension() != ".ptxas") continue;
    std::filesystem::path object = entry.path();
    object.replace_extension();  // softmax.cu.o
    if (!std::filesystem::exists(object)) continue;
    const auto kernels = kernels::workbench::parse_ptxas_report(
        read_file(entry.path()), object.stem().string(),
        kernels::workbench::launch_bounds(read_file(object)));
    table.kernels.insert(table.kernels.end(), kernels.begin(), kernels.end());
  }
  check(!table.kernels.empty(),
        "{}: no reports of ptxas here; build the target switchyard_cuda (needs nvcc)",
        objects.string());
  std::sort(table.kernels.begin(), table.kernels.end(),
            [](const auto& a, const auto& b) { return order_of(a) < order_of(b); });
  return table;
}

ResourceTable read_table(const std::filesystem::path& file) {
  try {
    const auto json = ordered_json::parse(read_file(file));
    ResourceTable table = {json.at("toolkit").get<std::string>(), {}};
    for (const auto& k : json.at("kernels")) {
      table.kernels.push_back({.source = k.at("source"),
                               .kernel = k.at("kernel"),
                               .architecture = k.at("architecture"),
                               .block = k.at("block"),
                               .is_bounded = k.at("bounded"),
                               .adds_dynamic = k.at("adds_dynamic_shared"),
                               .registers = k.at("registers"),
                               .stack_bytes = k.at("stack_bytes"),
                               .spill_bytes = k.at("spill_bytes"),
                               .shared_bytes = k.at("shared_bytes")});
    }
    return table;
  } catch (const ordered_json::exception& error) {
    throw Error(fmt::format("{}: not a table of resources: {}", file.string(), error.what()));
  }
}

std::string to_json_lines(const ResourceTable& table) {
  std::string text = fmt::format("{{\"toolkit\": \"{}\",\n \"kernels\": [", table.toolkit);
  const char* between = "\n";
  for (const KernelResources& kernel : table.kernels) {
    text += between + to_json(kernel).dump();
    between = ",\n";
  }
  return text + "\n]}\n";
}

std::vector<std::string> regressions(const ResourceTable& before, const ResourceTable& now) {
  std::map<std::string, KernelResources> known;
  for (const KernelResources& k : before.kernels) known[label(k)] = k;
  std::vector<std::string> lines;
  for (const KernelResources& k : now.kernels) {
    const auto found = known.find(label(k));
    if (occupancy(k).blocks == 0) {
      lines.push_back(fmt::format("{}: a block of {} threads does not fit a multiprocessor",
                                  label(k), k.block));
    } else if (found == known.end()) {
      lines.push_back(label(k) + ": not in the table");
    } else if (const std::string what = worse(found->second, k); !what.empty()) {
      lines.push_back(fmt::format("{}: {}", label(k), what));
    }
    if (found != known.end()) known.erase(found);
  }
  for (const auto& [gone, unused] : known)
    lines.push_back(gone + ": in the table, no longer built");
  return lines;
}

}  // namespace switchyard

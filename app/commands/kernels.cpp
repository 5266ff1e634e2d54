#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/workbench_options.h"

namespace switchyard {
namespace {

using namespace kernels::workbench;
using nlohmann::json;

/// One rung and the element types that have it.
struct Rung {
  std::string name, needs;
  std::vector<std::string> dtypes;
  double tolerance = 0.0;  ///< where it is not the one of its dtype
};

std::vector<Rung> rungs(const EntryPoint& entry, const std::string& device) {
  std::vector<Rung> list;
  for (const TypedEntryPoint& typed : entry.types) {
    for (const Implementation& each : typed.implementations) {
      if (each.device != device || each.variant == kEntryPoint) continue;
      auto found = std::find_if(list.begin(), list.end(),
                                [&](const Rung& rung) { return rung.name == each.variant; });
      if (found == list.end()) {
        found = list.insert(list.end(), {each.variant, each.needs, {}});
      }
      found->dtypes.emplace_back(name(typed.type));
      // A variant that rounds its operands is allowed more than the entry point.
      const Implementation& entry_point = typed.implementations.back();
      if (each.tolerance > entry_point.tolerance) found->tolerance = each.tolerance;
    }
  }
  return list;
}

json to_json(const EntryPoint& entry, const std::string& device) {
  json sizes = json::array();
  for (const SizeParameter& p : entry.parameters) {
    sizes.push_back(
        {{"name", p.name}, {"standard", p.standard}, {"least", p.least}, {"most", p.most}});
  }
  json variants = json::array();
  for (const Rung& rung : rungs(entry, device)) {
    variants.push_back({{"name", rung.name}, {"needs", rung.needs}, {"dtypes", rung.dtypes}});
    if (rung.tolerance > 0) variants.back()["tolerance"] = rung.tolerance;
  }
  std::vector<std::string> dtypes;
  for (const TypedEntryPoint& typed : entry.types) dtypes.emplace_back(name(typed.type));
  return {{"name", entry.name}, {"computes", entry.computes},          {"dtypes", dtypes},
          {"sizes", sizes},     {"odd_sizes", entry.odd_sizes.size()}, {"variants", variants}};
}

/// Writes sizes and rungs as lines. Entry points that share a ladder give the same text.
std::string details(const EntryPoint& entry, const std::string& device) {
  std::vector<std::string> dtypes;
  for (const TypedEntryPoint& typed : entry.types) dtypes.emplace_back(name(typed.type));
  std::string text = fmt::format("    sizes   {}\n    dtypes  {}\n",
                                 Sizes(entry.parameters).to_string(), fmt::join(dtypes, " "));
  for (const Rung& rung : rungs(entry, device)) {
    std::string notes;
    if (rung.dtypes != dtypes) notes += fmt::format("  {} only", fmt::join(rung.dtypes, ", "));
    if (!rung.needs.empty()) notes += fmt::format("  needs: {}", rung.needs);
    if (rung.tolerance > 0) notes += fmt::format("  tolerance {:.0e}", rung.tolerance);
    text += fmt::format("      {:<{}}{}\n", rung.name, notes.empty() ? 0 : 46, notes);
  }
  return text;
}

void print_family(const Family& family, const std::vector<const EntryPoint*>& entries,
                  const std::string& device) {
  print_text("{}  ({}; {})\n", family.name, fmt::join(family.sources, ", "), family.page);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    print_text("  {:<28} {}\n", entries[i]->name, entries[i]->computes);
    const std::string text = details(*entries[i], device);
    if (i + 1 == entries.size() || details(*entries[i + 1], device) != text) print_text(text);
  }
  print_text("\n");
}

int list_kernels(const std::string& family_or_entry, const std::string& device) {
  std::vector<ChosenEntry> chosen;
  if (!family_or_entry.empty()) chosen = choose_entries(family_or_entry);
  json families = json::array();
  for (const Family& family : kernel_families()) {
    std::vector<const EntryPoint*> entries;
    for (const EntryPoint& entry : family.entry_points) {
      const auto is_chosen = [&](const ChosenEntry& each) { return each.entry == &entry; };
      if (chosen.empty() || std::any_of(chosen.begin(), chosen.end(), is_chosen)) {
        entries.push_back(&entry);
      }
    }
    if (entries.empty()) continue;
    if (!json_wanted()) print_family(family, entries, device);
    families.push_back({{"family", family.name},
                        {"sources", family.sources},
                        {"page", family.page},
                        {"entry_points", json::array()}});
    for (const EntryPoint* entry : entries) {
      families.back()["entry_points"].push_back(to_json(*entry, device));
    }
  }
  if (json_wanted()) print_json(families);
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Each name is a kernel of kernels/api. Below it stand the ways to compute it on the device, from the
textbook's to the best; without --variant the last one is taken that takes the sizes and pays.
'switchyard check' compares and times them.)";

Action add_kernels(CLI::App& command) {
  command.footer(kFooter);
  const auto family = std::make_shared<std::string>();
  const auto device = std::make_shared<std::string>(usual_kernel_device());
  command.add_option("FAMILY", *family, "A family or a kernel; without it, all are listed");
  command.add_option("--device", *device, "List the variants of this device")
      ->check(one_of(device_names()))
      ->capture_default_str();
  return [=] { return list_kernels(*family, *device); };
}

const CommandRegistration kKernels({Command::Group::kKernels, "kernels",
                                    "List the kernel families, their variants and what each needs",
                                    add_kernels});

}  // namespace
}  // namespace switchyard

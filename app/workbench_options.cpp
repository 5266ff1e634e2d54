#include "app/workbench_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/option_values.h"
#include "engine/core/check.h"
#include "engine/core/suggest.h"

namespace switchyard {

using namespace kernels::workbench;

namespace {

std::pair<std::string, std::int64_t> parse_size(const char* command, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string number = equals == std::string::npos ? "" : text.substr(equals + 1);
  const bool is_negative = number.starts_with('-');
  const auto value = parse_whole_number(is_negative ? number.substr(1) : number);
  check<UsageError>(equals != 0 && value && *value <= kAnySigned,
                    "{}: sizes are given as NAME=INTEGER, got '{}'", command, text);
  const auto size = static_cast<std::int64_t>(*value);
  return {text.substr(0, equals), is_negative ? -size : size};
}

}  // namespace

std::vector<ChosenEntry> choose_entries(const std::string& family_or_entry) {
  std::vector<ChosenEntry> chosen;
  std::vector<std::string> families;
  std::vector<std::string> known;
  for (const Family& family : kernel_families()) {
    families.push_back(family.name);
    known.push_back(family.name);
    for (const EntryPoint& entry : family.entry_points) {
      known.push_back(entry.name);
      if (family_or_entry == family.name || family_or_entry == "all")
        chosen.push_back({&family, &entry});
    }
  }
  for (const Family& family : kernel_families()) {
    if (!chosen.empty()) break;  // the name of a family comes first
    for (const EntryPoint& entry : family.entry_points) {
      if (family_or_entry == entry.name) chosen.push_back({&family, &entry});
    }
  }
  check<UsageError>(!chosen.empty(),
                    "no kernel family or entry point '{}'{} (families: {}; 'switchyard kernels' "
                    "lists their entry points)",
                    family_or_entry, did_you_mean(family_or_entry, known),
                    fmt::join(families, ", "));
  return chosen;
}

std::vector<Sizes> parse_sizes(const char* command, const std::vector<ChosenEntry>& chosen,
                               const std::vector<std::string>& texts) {
  std::vector<Sizes> list;
  for (const ChosenEntry& each : chosen) list.emplace_back(each.entry->parameters);
  for (const std::string& text : texts) {
    const auto [name, value] = parse_size(command, text);
    bool is_known = false;
    for (Sizes& sizes : list) {
      if (!sizes.has(name)) continue;
      as_usage(command, [&, name = name, value = value] { sizes.set(name, value); });
      is_known = true;
    }
    if (!is_known)
      as_usage(command, [&, name = name, value = value] { list.front().set(name, value); });
  }
  return list;
}

void set_sizes(const char* command, Sizes& sizes, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const auto [name, value] = parse_size(command, text);
    as_usage(command, [&, name = name, value = value] { sizes.set(name, value); });
  }
}

std::string usual_kernel_device() {
  const std::vector<std::string> names = device_names();
  return std::find(names.begin(), names.end(), "simt") != names.end() ? "simt" : names.back();
}

}  // namespace switchyard

#include <fmt/format.h>

#include <algorithm>

#include "app/workbench_options.h"
#include "app/xray/targets.h"
#include "engine/core/check.h"
#include "engine/core/suggest.h"
#include "kernels/api/error.h"
#include "kernels/workbench/run_case.h"

namespace switchyard {
namespace {

using namespace kernels::workbench;
using BenchDevice = kernels::workbench::Device;

constexpr const char* kDevice = "cuda";

/// One rung for one element type.
struct Chosen {
  const EntryPoint* entry;
  const TypedEntryPoint* typed;
  const Implementation* rung;
};

/// The rungs of the target's entry points; the last part of "ENTRY:RUNG" names one.
std::vector<Chosen> choose(const std::vector<ChosenEntry>& entries, const std::string& rung,
                           const XrayTarget& target) {
  std::vector<Chosen> chosen;
  std::vector<std::string> rungs, dtypes;
  const auto note = [](std::vector<std::string>& names, std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  };
  for (const ChosenEntry& each : entries) {
    for (const TypedEntryPoint& typed : each.entry->types) {
      for (const Implementation& one : typed.implementations) {
        if (one.device != kDevice) continue;
        note(dtypes, name(typed.type));
        note(rungs, one.variant);
        if (!target.dtype.empty() && target.dtype != name(typed.type)) continue;
        if (rung.empty() ? one.variant == kEntryPoint : one.variant != rung) continue;
        chosen.push_back({each.entry, &typed, &one});
      }
    }
  }
  check<UsageError>(rung.empty() || std::find(rungs.begin(), rungs.end(), rung) != rungs.end(),
                    "xray: {} has no rung '{}'{} (there are: {})",
                    target.name.substr(0, target.name.find(':')), rung, did_you_mean(rung, rungs),
                    fmt::join(rungs, ", "));
  check<UsageError>(!chosen.empty(), "xray: {} has no dtype '{}' on a GPU (there are: {})",
                    target.name, target.dtype, fmt::join(dtypes, ", "));
  return chosen;
}

std::vector<Sizes> sizes_of(const Chosen& chosen, const XrayTarget& target,
                            const std::vector<ChosenEntry>& entries,
                            const std::vector<Sizes>& given) {
  if (!target.sizes.empty()) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].entry == chosen.entry) return {given[i]};
    }
  }
  std::vector<Sizes> all;
  for (const auto& values : chosen.entry->standard_sizes) {
    all.emplace_back(chosen.entry->parameters, values);
  }
  return all;
}

nlohmann::json sizes_json(const Sizes& sizes) {
  nlohmann::json document = nlohmann::json::object();
  for (const SizeParameter& each : sizes.parameters()) document[each.name] = sizes[each.name];
  return document;
}

XrayRun run_one(XrayMachine& machine, BenchDevice& device, const Chosen& chosen, const Sizes& sizes,
                std::uint64_t seed) {
  const Problem problem = as_usage("xray", [&] { return chosen.typed->problem(sizes, seed); });
  const std::string dtype(name(chosen.typed->type));
  XrayRun run{.name = fmt::format("{}:{} {} {}", chosen.entry->name, chosen.rung->variant, dtype,
                                  sizes.to_string()),
              .about = {{"entry_point", chosen.entry->name},
                        {"variant", chosen.rung->variant},
                        {"dtype", dtype},
                        {"sizes", sizes_json(sizes)}},
              .compulsory = chosen.typed->work(sizes, problem)};
  bool is_refused = false;
  Implementation watched = *chosen.rung;
  watched.run = [&](BenchDevice& on, const Sizes& of, Arguments& arguments) {
    try {
      machine.record("call", [&] { chosen.rung->run(on, of, arguments); });
    } catch (const kernels::Refusal&) {
      is_refused = true;
      throw;
    }
  };
  const Outcome outcome = run_case(device, watched, sizes, problem);
  run.reason = outcome.reason;
  run.recording = machine.take();
  if (is_refused) {
    run.status = "refused";
  } else if (outcome.status == Outcome::Status::kDisagrees) {
    run.status = "disagrees";
  } else if (outcome.status != Outcome::Status::kAgrees) {
    run.status = "failed";
  }
  return run;
}

}  // namespace

std::vector<XrayRun> xray_kernels(XrayMachine& machine, const XrayTarget& target) {
  const std::size_t colon = std::min(target.name.find(':'), target.name.size());
  const std::string rung = target.name.substr(std::min(colon + 1, target.name.size()));
  const std::vector<ChosenEntry> entries = choose_entries(target.name.substr(0, colon));
  const std::vector<Chosen> chosen = choose(entries, rung, target);
  const std::vector<Sizes> given = parse_sizes("xray", entries, target.sizes);
  const std::unique_ptr<BenchDevice> device = open_device(kDevice);
  std::vector<XrayRun> runs;
  for (const Chosen& each : chosen) {
    for (const Sizes& sizes : sizes_of(each, target, entries, given)) {
      runs.push_back(run_one(machine, *device, each, sizes, target.seed));
    }
  }
  return runs;
}

}  // namespace switchyard

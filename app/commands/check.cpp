#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "app/check_report.h"
#include "app/command.h"
#include "app/workbench_options.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using namespace kernels::workbench;

struct Options {
  std::string family;
  std::vector<std::string> sizes;
  std::string variant, dtype, device;
  std::uint64_t seed = 1;
  bool json = false;
};

constexpr int kTimedCalls = 5;

/// Runs `call`; what it says of its arguments becomes bad usage.
template <class Call>
auto as_usage(const Call& call) {
  try {
    return call();
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("check: {}", error.what()));
  }
}

std::pair<std::string, std::int64_t> parse_size(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t first = equals == std::string::npos ? text.size() : equals + 1;
  const char* const end = text.data() + text.size();
  std::int64_t value = 0;
  const auto [stop, problem] = std::from_chars(text.data() + first, end, value);
  check<UsageError>(first > 1 && problem == std::errc{} && stop == end,
                    "check: sizes are given as NAME=INTEGER, got '{}'", text);
  return {text.substr(0, equals), value};
}

/// The given sizes for every entry point that has them. A name that none has is bad usage.
std::vector<Sizes> parse_sizes(const std::vector<ChosenEntry>& chosen, const Options& options) {
  std::vector<Sizes> list;
  for (const ChosenEntry& each : chosen) list.emplace_back(each.entry->parameters);
  for (const std::string& text : options.sizes) {
    const auto [name, value] = parse_size(text);
    bool is_known = false;
    for (Sizes& sizes : list) {
      if (!sizes.has(name)) continue;
      as_usage([&] { sizes.set(name, value); });
      is_known = true;
    }
    if (!is_known) as_usage([&] { list.front().set(name, value); });
  }
  return list;
}

/// Those implementations of the entry points that the options name.
struct Chosen {
  const EntryPoint* entry;
  const TypedEntryPoint* typed;
  const Implementation* implementation;
  Sizes sizes;
};

std::vector<Chosen> choose(const Options& options) {
  const std::vector<ChosenEntry> entries = choose_entries(options.family);
  const std::vector<Sizes> sizes = parse_sizes(entries, options);
  std::vector<Chosen> chosen;
  std::vector<std::string> variants, dtypes;
  const auto note = [](std::vector<std::string>& names, std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  };
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (const TypedEntryPoint& typed : entries[i].entry->types) {
      for (const Implementation& each : typed.implementations) {
        if (each.device != options.device) continue;
        note(dtypes, name(typed.type));
        if (!options.dtype.empty() && options.dtype != name(typed.type)) continue;
        note(variants, each.variant);
        if (!options.variant.empty() && options.variant != each.variant) continue;
        chosen.push_back({entries[i].entry, &typed, &each, sizes[i]});
      }
    }
  }
  check<UsageError>(options.dtype.empty() ||
                        std::find(dtypes.begin(), dtypes.end(), options.dtype) != dtypes.end(),
                    "check: {} has no dtype '{}' on device {} (there are: {})", options.family,
                    options.dtype, options.device, fmt::join(dtypes, ", "));
  check<UsageError>(!chosen.empty(), "check: {} has no variant '{}' on device {} (there are: {})",
                    options.family, options.variant, options.device, fmt::join(variants, ", "));
  return chosen;
}

CheckRow run_one(Device& device, const Chosen& chosen, const Sizes& sizes, std::int64_t shift,
                 const Options& options) {
  const Problem problem = as_usage([&] { return chosen.typed->problem(sizes, options.seed); });
  const int timed_calls = shift == 0 ? kTimedCalls : 0;
  return {.entry_point = chosen.entry->name,
          .variant = chosen.implementation->variant,
          .dtype = std::string(name(chosen.typed->type)),
          .sizes = sizes,
          .is_aligned = shift == 0,
          .flops = problem.flops(),
          .bytes = problem.bytes(),
          .outcome = run_case(device, *chosen.implementation, sizes, problem,
                              {.shift = shift, .timed_calls = timed_calls})};
}

/// The variant over all odd sizes, with aligned and with unaligned operands.
void check_odd_sizes(Device& device, const Chosen& chosen, const Options& options,
                     CheckReport& report) {
  for (const auto& values : chosen.entry->odd_sizes) {
    const Sizes sizes(chosen.entry->parameters, values);
    for (const std::int64_t shift : {0, 1}) {
      report.add_odd(run_one(device, chosen, sizes, shift, options));
    }
  }
  report.end_odd_sizes(chosen.entry->odd_sizes.size());
}

int run_check(const Options& options) {
  const std::unique_ptr<Device> device = as_usage([&] { return open_device(options.device); });
  const std::vector<Chosen> chosen = choose(options);
  CheckReport report(options.device, options.json);
  for (const Chosen& each : chosen) {
    if (!options.sizes.empty()) {
      report.add(run_one(*device, each, each.sizes, 0, options));
      continue;
    }
    for (const auto& values : each.entry->standard_sizes) {
      report.add(run_one(*device, each, Sizes(each.entry->parameters, values), 0, options));
    }
    check_odd_sizes(*device, each, options, report);
  }
  report.finish();
  check<UsageError>(report.some_ran(), "check: nothing ran: {}", report.first_refusal());
  return report.all_agree() ? kSuccess : kFailed;
}

constexpr const char* kFooter =
    R"(Compares with plain loops in float64; results are poisoned before, and memory around them is
watched for writes. Without sizes: the standard ones, timed, and the odd ones (1, 31, 33, 127, empty,
...), with aligned and unaligned operands.

  switchyard check matmul
  switchyard check matmul --variant matmul_shared_tile --dtype float32 m=31 n=33 k=127
  switchyard check top_k experts=160 k=8 --device cpu

'refused' means that the variant said, before any launch, that what it needs is not there. Exit code 1
where a variant is wrong. Times on simt are the host's: they say nothing about a GPU.)";

Action add_check(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  options->device = usual_kernel_device();
  command.add_option("FAMILY", options->family, "A family, an entry point or all; see 'kernels'")
      ->required();
  command.add_option("NAME=VALUE", options->sizes, "Sizes; those left out are the standard ones");
  command.add_option("--variant", options->variant,
                     "One variant, or entry_point: the one that the engine would use");
  command.add_option("--dtype", options->dtype, "float32, float64, bfloat16 or int64");
  command.add_option("--device", options->device, "cpu, simt or cuda")->capture_default_str();
  command.add_option("--seed", options->seed, "Of the operands")->capture_default_str();
  command.add_flag("--json", options->json, "Print JSON");
  return [=] { return run_check(*options); };
}

const CommandRegistration kCheck({Command::Group::kKernels, "check",
                                  "Compare the variants of a kernel with a float64 reference",
                                  add_check});

}  // namespace
}  // namespace switchyard

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "app/check_report.h"
#include "app/command.h"
#include "app/compute_options.h"
#include "app/option_values.h"
#include "app/workbench_options.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using namespace kernels::workbench;
using BenchDevice = kernels::workbench::Device;

struct Options {
  std::string family;
  std::vector<std::string> sizes;
  std::string variant, dtype;
  std::string device;  ///< the one of `compute`, or the usual one
  ComputeOptions compute;
  std::uint64_t seed = 1;
};

constexpr int kTimedCalls = 5;

/// One of the implementations that the options name.
struct Chosen {
  const EntryPoint* entry;
  const TypedEntryPoint* typed;
  const Implementation* implementation;
  Sizes sizes;
};

std::vector<Chosen> choose(const Options& options) {
  const std::vector<ChosenEntry> entries = choose_entries(options.family);
  const std::vector<Sizes> sizes = parse_sizes("check", entries, options.sizes);
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

CheckRow run_one(BenchDevice& device, const Chosen& chosen, const Sizes& sizes, std::int64_t shift,
                 const Options& options) {
  const Problem problem =
      as_usage("check", [&] { return chosen.typed->problem(sizes, options.seed); });
  const kernels::Work work = chosen.typed->work(sizes, problem);
  const int timed_calls = shift == 0 ? kTimedCalls : 0;
  return {.entry_point = chosen.entry->name,
          .variant = chosen.implementation->variant,
          .dtype = std::string(name(chosen.typed->type)),
          .sizes = sizes,
          .is_aligned = shift == 0,
          .flops = work.flops,
          .bytes = work.bytes,
          .outcome = run_case(device, *chosen.implementation, sizes, problem,
                              {.shift = shift, .timed_calls = timed_calls})};
}

/// Checks the variant over all odd sizes, with aligned and with unaligned operands.
void check_odd_sizes(BenchDevice& device, const Chosen& chosen, const Options& options,
                     CheckReport& report) {
  for (const auto& values : chosen.entry->odd_sizes) {
    const Sizes sizes(chosen.entry->parameters, values);
    for (const std::int64_t shift : {0, 1}) {
      report.add_odd(run_one(device, chosen, sizes, shift, options));
    }
  }
  report.end_odd_sizes(chosen.entry->odd_sizes.size());
}

int run_check(Options options) {
  const std::string usual = usual_kernel_device();
  options.device = name(start_computing(options.compute, usual));
  const std::unique_ptr<BenchDevice> device =
      as_usage("check", [&] { return open_device(options.device); });
  const std::vector<Chosen> chosen = choose(options);
  CheckReport report(options.device);
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
    R"(Compares each variant with plain loops in float64. Results are poisoned before the call, and the
memory around them is watched for writes. Without sizes it takes the standard ones, which it times, and
the odd ones (1, 31, 33, 127, empty, ...), with aligned and unaligned operands.

  switchyard check matmul
  switchyard check matmul --variant matmul_shared_tile --dtype float32 m=31 n=33 k=127
  switchyard check top_k experts=160 k=8 --device cpu

'refused' means that the variant said, before any launch, that what it needs is not there. The exit
code is 1 where a variant is wrong. Times on simt are those of the host and say nothing about a GPU.)";

Action add_check(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  command.add_option("FAMILY", options->family, "A family, an entry point or all; see 'kernels'")
      ->required();
  command.add_option("NAME=VALUE", options->sizes,
                     "Set a size; those that are left out have their standard values");
  command.add_option("--variant", options->variant,
                     "Check one variant alone, or entry_point: the one that the engine would use");
  command.add_option("--dtype", options->dtype,
                     "Check one element type alone: float32, float64, bfloat16 or int64");
  command.add_option("--seed", options->seed, "Draw the operands from this seed")
      ->check(whole_number(0, kAnyUnsigned))
      ->capture_default_str();
  add_place_options(command, options->compute, usual_kernel_device());
  return [=] { return run_check(*options); };
}

const CommandRegistration kCheck({Command::Group::kKernels, "check",
                                  "Compare the variants of a kernel with a float64 reference",
                                  add_check});

}  // namespace
}  // namespace switchyard

#include "app/compute_options.h"

#include <fmt/format.h>

#include "app/option_values.h"
#include "app/profile_report.h"
#include "engine/core/threads.h"

namespace switchyard {

namespace {

constexpr const char* kGroup = "Computing";

}  // namespace

void add_compute_options(CLI::App& command, ComputeOptions& options, const std::string& usual) {
  add_place_options(command, options, usual);
  add_kernel_options(command, options);
}

void add_place_options(CLI::App& command, ComputeOptions& options, const std::string& usual) {
  command
      .add_option("--device", options.device,
                  fmt::format("Compute on cpu, cuda (a GPU) or simt (the GPU's kernels run "
                              "on the host,\nslowly); default: {}",
                              usual))
      ->group(kGroup);
  command
      .add_option("--conv", options.conv,
                  "Let a GPU run these convolutions: own (the default) or cudnn")
      ->group(kGroup);
  command
      .add_option("--threads", options.threads,
                  "Use this many worker threads (default: one per core)")
      ->check(whole_number(1, kMostThreads))
      ->group(kGroup);
}

void add_kernel_options(CLI::App& command, ComputeOptions& options) {
  command
      .add_option("--variant", options.variants,
                  "Compute a kernel with one of its variants wherever that takes the sizes, such "
                  "as\nmatmul=matmul_plain_loops; 'switchyard kernels --device D' lists them; "
                  "repeatable")
      ->type_name("KERNEL=RUNG")
      ->allow_extra_args(false)
      ->group(kGroup);
  command
      .add_flag("--profile", options.profile,
                "Print what each kernel cost: time, calls, bytes, flops. Every call is then waited "
                "for")
      ->group(kGroup);
  command
      .add_option("--trace", options.trace,
                  "Write the kernels' timeline to this file, for chrome://tracing or Perfetto; "
                  "implies\n--profile")
      ->type_name("FILE")
      ->group(kGroup);
}

Device start_computing(const ComputeOptions& options, const std::string& device,
                       const std::string& conv) {
  if (options.threads) set_thread_count(*options.threads);
  const Device chosen = parse_device(options.device.value_or(device));
  choose_convolutions(chosen, options.conv.value_or(options.device ? "own" : conv));
  apply_kernel_options(options, chosen);
  return chosen;
}

void apply_kernel_options(const ComputeOptions& options, Device device) {
  for (const std::string& variant : options.variants) choose_variant(device, variant);
  if (options.profile || options.trace) begin_profile(options.trace);
}

}  // namespace switchyard

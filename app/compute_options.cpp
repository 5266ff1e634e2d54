#include "app/compute_options.h"

#include <fmt/format.h>

#include "app/option_values.h"
#include "engine/core/threads.h"

namespace switchyard {

void add_compute_options(CLI::App& command, ComputeOptions& options, const std::string& usual) {
  const std::string group = "Computing";
  command
      .add_option("--device", options.device,
                  fmt::format("Where to compute: cpu, cuda (a GPU) or simt (the GPU's kernels run "
                              "on the host,\nslowly); default: {}",
                              usual))
      ->group(group);
  command
      .add_option("--conv", options.conv,
                  "Whose convolutions a GPU runs: own (the default) or cudnn")
      ->group(group);
  command.add_option("--threads", options.threads, "Worker threads (default: one per core)")
      ->check(whole_number(1, kMostThreads))
      ->group(group);
}

Device start_computing(const ComputeOptions& options, const std::string& device,
                       const std::string& conv) {
  if (options.threads) set_thread_count(*options.threads);
  const Device chosen = parse_device(options.device.value_or(device));
  choose_convolutions(chosen, options.conv.value_or(options.device ? "own" : conv));
  return chosen;
}

}  // namespace switchyard

#include "app/xray/launch_options.h"

#include "app/option_values.h"
#include "app/xray/shape.h"

namespace switchyard {

void add_launch_options(CLI::App& command, XrayLaunchChoices& choices) {
  command
      .add_option("--limit", choices.limit,
                  "Warp instructions after which the kernel counts as one that never ends")
      ->check(whole_number(1, kAnySigned))
      ->capture_default_str();
  command.add_flag("--check", choices.check,
                   "Look for accesses out of bounds, values that were never written, races, "
                   "divergent barriers and more; exit code 1 if anything is found");
  command.add_option("--findings", choices.findings, "With --check: end after so many findings")
      ->check(whole_number(1, kAnySigned))
      ->capture_default_str();
  command
      .add_option("--schedule", choices.schedule,
                  "Order of lanes, warps and blocks: together, reverse or random:SEED. A kernel "
                  "that is right gives the same results in each")
      ->type_name("ORDER")
      ->capture_default_str();
  command
      .add_option("--orders", choices.orders,
                  "Run in so many hostile orders besides and compare the results bit by bit; exit "
                  "code 1 if they differ")
      ->check(whole_number(0, 1000))
      ->capture_default_str();
  command
      .add_option("--blocks", choices.blocks,
                  "Run these blocks alone: a list of first, last, random:COUNT[:SEED], numbers")
      ->type_name("BLOCKS");
  command.add_flag("--cache", choices.cache,
                   "Say what DRAM moves for every size of the L2 cache, in the order of "
                   "--schedule");
}

kernels::xray::LaunchOptions launch_options(const XrayLaunchChoices& choices,
                                            const kernels::Dim3& grid) {
  kernels::xray::LaunchOptions options;
  options.instruction_limit = choices.limit;
  options.check = choices.check;
  options.most_findings = static_cast<std::size_t>(choices.findings);
  options.schedule = parse_schedule(choices.schedule);
  options.blocks = parse_blocks(choices.blocks, grid.count());
  options.cache = choices.cache;
  return options;
}

}  // namespace switchyard

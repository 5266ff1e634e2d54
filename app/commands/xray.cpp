#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/xray_arguments.h"
#include "app/xray_cache.h"
#include "app/xray_findings.h"
#include "app/xray_horizon.h"
#include "app/xray_launch_options.h"
#include "app/xray_report.h"
#include "app/xray_shape.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "engine/io/files.h"
#include "kernels/workbench/resources.h"
#include "kernels/xray/orders.h"

namespace switchyard {
namespace {

using kernels::xray::Module;

struct Options {
  std::string file, kernel, grid = "1", block = "32";
  std::vector<std::string> arguments;
  std::uint64_t shared = 0;
  XrayLaunchChoices launch;
  std::string horizon;
  std::uint64_t lines = 12;
  std::optional<int> threads;
};

/// The kernel that is meant: its name in the file, its name as people write it, or a part of that
/// which only one has; without any, the only one.
std::string choose_kernel(const Module& module, const std::string& wanted) {
  const std::vector<std::string> all = module.kernels();
  std::vector<std::string> names, found;
  for (const std::string& kernel : all) {
    const std::string name = kernels::workbench::short_kernel_name(kernel);
    if (kernel == wanted || name == wanted) return kernel;
    names.push_back(name);
    if (name.find(wanted) != std::string::npos) found.push_back(kernel);
  }
  if (found.size() == 1) return found[0];
  constexpr std::size_t kShown = 20;
  const std::size_t count = names.size();
  if (count > kShown) names.resize(kShown);
  const std::string list =
      fmt::format("{}{}", fmt::join(names, ", "),
                  count > kShown ? fmt::format(" and {} more", count - kShown) : "");
  check(count > 0, "{}: there is no kernel in it", module.file());
  check<UsageError>(!wanted.empty(), "--kernel: {} has several, name one of {}", module.file(),
                    list);
  throw UsageError(fmt::format("--kernel: '{}' names {} kernels of {}; it has {}", wanted,
                               found.size(), module.file(), list));
}

int horizon(const Options& options, const std::shared_ptr<const Module>& module,
            const std::string& kernel) {
  const bool has_limit = options.launch.limit != kernels::xray::LaunchOptions{}.instruction_limit;
  const std::string& blocks = options.launch.blocks;
  const XrayHorizon found = find_horizon({.module = module,
                                          .kernel = kernel,
                                          .grid = options.grid,
                                          .block = options.block,
                                          .arguments = options.arguments,
                                          .shared = options.shared,
                                          .blocks = blocks.empty() ? "first,last,random:8" : blocks,
                                          .size = options.horizon,
                                          .limit = has_limit ? options.launch.limit : 0});
  if (json_wanted()) {
    print_json(horizon_json(kernel, found));
  } else {
    print_text(horizon_text(kernel, found));
  }
  return kSuccess;
}

int xray(const Options& options) {
  check<UsageError>(options.file.ends_with(".ptx"),
                    "{}: expected a .ptx file, as 'nvcc -ptx -lineinfo' makes it", options.file);
  if (options.threads) set_thread_count(*options.threads);
  const auto module = Module::parse(read_file(options.file), options.file);
  const std::string kernel = choose_kernel(*module, options.kernel);
  if (!options.horizon.empty()) return horizon(options, module, kernel);
  const kernels::LaunchShape shape{.grid = parse_extent("--grid", options.grid),
                                   .block = parse_extent("--block", options.block),
                                   .dynamic_shared_bytes = options.shared};
  kernels::xray::Memory memory;
  kernels::xray::Code code(module, memory);
  const std::vector<std::byte> parameters =
      xray_parameters(*module->function(kernel), options.arguments, memory);
  const auto report = kernels::xray::launch_in_orders(
      code, memory, kernel, shape, parameters, launch_options(options.launch, shape.grid),
      kernels::xray::hostile_schedules(options.launch.orders));
  const auto lines = xray_lines(report, options.file);
  if (json_wanted()) {
    nlohmann::json document = xray_json(report, lines);
    document["checked"] = options.launch.check;
    document["findings"] = findings_json(report.findings);
    if (report.cache) document["cache"] = cache_json(*report.cache, options.launch.schedule);
    print_json(document);
  } else {
    print_text(xray_text(report, lines, options.lines));
    if (report.cache) print_text(cache_text(*report.cache, options.launch.schedule));
    if (options.launch.check || options.launch.orders > 0)
      print_text(findings_text(report.findings));
  }
  return report.findings.empty() ? kSuccess : kFailed;
}

Action add_xray(CLI::App& command) {
  command.footer(kXrayArgumentHelp);
  const auto options = std::make_shared<Options>();
  command.add_option("file", options->file, "PTX of the kernel: nvcc -ptx -lineinfo FILE.cu")
      ->type_name("FILE.ptx")
      ->required();
  command
      .add_option("--kernel", options->kernel,
                  "Name of the kernel, or a part that only one has; needed where there are several")
      ->type_name("NAME");
  command.add_option("--grid", options->grid, "Blocks: X, X,Y or X,Y,Z")
      ->type_name("X,Y,Z")
      ->capture_default_str();
  command.add_option("--block", options->block, "Threads of a block: X, X,Y or X,Y,Z")
      ->type_name("X,Y,Z")
      ->capture_default_str();
  command.add_option("--arg", options->arguments, "The kernel's next argument, see below")
      ->type_name("ARGUMENT")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--shared", options->shared, "Bytes of dynamic shared memory")
      ->check(whole_number(0, kAnySigned))
      ->capture_default_str();
  add_launch_options(command, options->launch);
  command
      .add_option("--horizon", options->horizon,
                  "Find the smallest value of this name, which arguments and --grid are written "
                  "with, at which an index of 32 bits or a limit breaks: NAME or NAME:STEP; runs "
                  "--blocks (first,last,random:8)")
      ->type_name("NAME")
      ->excludes("--check")
      ->excludes("--cache");
  command.add_option("--lines", options->lines, "Show so many source lines, the worst first")
      ->check(whole_number(0, kAnySigned))
      ->capture_default_str();
  command
      .add_option("--threads", options->threads,
                  "Use this many worker threads (default: one per core)")
      ->check(whole_number(1, kMostThreads));
  return [=] { return xray(*options); };
}

const CommandRegistration kXray(
    {Command::Group::kKernels, "xray",
     "Run a compiled CUDA kernel on the host and count what each line does", add_xray});

}  // namespace
}  // namespace switchyard

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/xray/bound.h"
#include "analysis/xray/difference.h"
#include "app/command.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/xray/budget_file.h"
#include "app/xray/document.h"
#include "app/xray/targets.h"
#include "app/xray/text.h"
#include "app/xray_arguments.h"
#include "app/xray_report.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "kernels/workbench/resources.h"
#include "kernels/xray/xray.h"

namespace switchyard {
namespace {

using kernels::Dim3;
using kernels::xray::Module;

constexpr const char* kTargetHelp =
    R"(TARGET is one of
  FILE.ptx                       a kernel that 'nvcc -ptx -lineinfo' or another compiler made
  softmax, all                   a kernel family or all: every rung, see 'switchyard kernels'
  softmax_forward                the ladder of one kernel
  softmax_forward:RUNG           one rung of it
  op:softmax                     an operation of the engine, see 'switchyard gradcheck'
  layer:moe                      the token MoE layer; tokens, width, hidden, out, experts, k
  step:PRESET, step:PRESET/HEAD  a training step, such as step:tiny/sparse_moe
All but the first are of the kernels that nvcc compiled into this program.

)";

struct Options {
  XrayTarget target;
  std::string kernel, grid = "1", block = "32";  // of a file
  std::vector<std::string> arguments;
  std::uint64_t shared = 0;
  std::optional<std::string> gpu;
  std::string budget, write_budget, diff;
  std::uint64_t limit = kernels::xray::LaunchOptions{}.instruction_limit;
  std::uint64_t lines = 12;
  std::optional<int> threads;
  bool check = false;
};

/// Reads "X", "X,Y" or "X,Y,Z".
Dim3 parse_extent(const std::string& option, const std::string& text) {
  unsigned parts[3] = {1, 1, 1};
  std::string_view rest = text;
  for (int i = 0; i < 3; ++i) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const auto value = parse_whole_number(part);
    check<UsageError>(value && *value >= 1 && *value <= 2147483647,
                      "{}: expected X, X,Y or X,Y,Z of numbers from 1 to 2147483647, got '{}'",
                      option, text);
    parts[i] = static_cast<unsigned>(*value);
    rest.remove_prefix(part.size());
    if (rest.empty()) return {parts[0], parts[1], parts[2]};
    rest.remove_prefix(1);
  }
  throw UsageError(fmt::format("{}: has more than three parts: '{}'", option, text));
}

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

/// The options that concern some kinds of targets alone.
struct Concern {
  const char* option;
  std::vector<XrayTargetKind> kinds;
};
const std::vector<Concern>& concerns() {
  using enum XrayTargetKind;
  static const std::vector<Concern> all = {{"--kernel", {kFile}},
                                           {"--grid", {kFile}},
                                           {"--block", {kFile}},
                                           {"--arg", {kFile}},
                                           {"--shared", {kFile}},
                                           {"NAME=VALUE", {kKernels, kLayer}},
                                           {"--dtype", {kKernels, kOperation, kLayer, kStep}},
                                           {"--order", {kOperation, kLayer}},
                                           {"--size", {kOperation}},
                                           {"--batch", {kStep}},
                                           {"--seed", {kKernels, kOperation, kLayer, kStep}}};
  return all;
}

/// Bad usage where an option was given that does not concern the target.
void check_options(const CLI::App& command, const std::string& target) {
  const XrayTargetKind kind = kind_of(target);
  check<UsageError>(kind != XrayTargetKind::kKernels ||
                        (target.find('/') == std::string::npos && !target.ends_with(".cu")),
                    "{}: expected a .ptx file, as 'nvcc -ptx -lineinfo' makes it", target);
  for (const Concern& each : concerns()) {
    const bool is_one = std::find(each.kinds.begin(), each.kinds.end(), kind) != each.kinds.end();
    check<UsageError>(is_one || command.count(each.option) == 0, "xray: {} does not concern {}",
                      each.option, target);
  }
}

int print_difference(const nlohmann::json& before, const nlohmann::json& document,
                     const std::string& file) {
  const nlohmann::json difference = xray::difference(before, document, file);
  if (json_wanted()) {
    print_json(difference);
  } else {
    print_text(xray::difference_text(difference));
  }
  return kSuccess;
}

/// The kernel of a file, run once.
XrayRun xray_file(const Options& options) {
  const std::string& file = options.target.name;
  const kernels::LaunchShape shape{.grid = parse_extent("--grid", options.grid),
                                   .block = parse_extent("--block", options.block),
                                   .dynamic_shared_bytes = options.shared};
  kernels::xray::Memory memory;
  kernels::xray::Code code(Module::parse(read_file(file), file), memory);
  const std::string kernel = choose_kernel(code.module(), options.kernel);
  const std::vector<std::byte> parameters =
      xray_parameters(*code.module().function(kernel), options.arguments, memory);
  kernels::xray::LaunchOptions launch;
  launch.instruction_limit = options.limit;
  launch.check = options.check;
  XrayRun run{.name = fmt::format("{}:{}", file, kernel)};
  run.recording.launches.push_back(code.launch(kernel, shape, parameters, launch));
  return run;
}

std::vector<XrayRun> run_target(const Options& options, const std::optional<xray::Gpu>& gpu) {
  const XrayTargetKind kind = kind_of(options.target.name);
  if (kind == XrayTargetKind::kFile) return {xray_file(options)};
  XrayMachineOptions of_machine{.instruction_limit = options.limit, .check = options.check};
  if (gpu) {
    of_machine.multiprocessors = gpu->multiprocessors;
    of_machine.cache_bytes = static_cast<std::uint64_t>(gpu->cache_bytes);
  }
  XrayMachine machine(of_machine);
  switch (kind) {
    case XrayTargetKind::kOperation:
      return {xray_operation(machine, options.target)};
    case XrayTargetKind::kLayer:
      return {xray_layer(machine, options.target)};
    case XrayTargetKind::kStep:
      return {xray_step(machine, options.target)};
    default:
      return xray_kernels(machine, options.target);
  }
}

/// Prints what was counted; for people a file's launch in more detail.
void print_document(const Options& options, const nlohmann::json& document, const XrayRun& first) {
  if (json_wanted()) return print_json(document);
  if (kind_of(options.target.name) == XrayTargetKind::kFile && !options.gpu) {
    const auto& report = first.recording.launches.front();
    print_text(xray_text(report, xray_lines(report, options.target.name), options.lines));
  } else {
    print_text(document_text(document, options.lines));
  }
  if (options.check) print_text("  check: nothing found\n");
}

/// Whether every run of the document ran, to the right result. Errors: Error with the first that
/// did not; UsageError where all refused.
void require_results(const nlohmann::json& document) {
  bool some_ran = false;
  for (const nlohmann::json& run : document["ladder"]) {
    const std::string status = run["status"], reason = run["reason"];
    check(status == "ran" || status == "refused", "xray: {}: {}", run["name"].get<std::string>(),
          reason);
    some_ran = some_ran || status == "ran";
  }
  check<UsageError>(some_ran, "xray: nothing ran: {}",
                    document["ladder"][0]["reason"].get<std::string>());
}

int run_xray(const Options& options) {
  if (options.threads) set_thread_count(*options.threads);
  std::optional<xray::Gpu> gpu;
  if (options.gpu) gpu = xray::find_gpu(*options.gpu);
  std::optional<nlohmann::json> before;
  if (!options.diff.empty()) before = read_json(options.diff);
  const std::string ptx =
      kind_of(options.target.name) == XrayTargetKind::kFile ? options.target.name : "";
  nlohmann::json ladder = nlohmann::json::array();
  const std::vector<XrayRun> runs = run_target(options, gpu);
  for (const XrayRun& run : runs) ladder.push_back(run_json(run, ptx));
  nlohmann::json document =
      xray_document(target_json(options.target), options.check, std::move(ladder));
  if (gpu) xray::add_bounds(document, *gpu);
  if (!options.budget.empty()) return compare_with_budget(document, options.budget);
  require_results(document);
  if (before) return print_difference(*before, document, options.diff);
  if (!options.write_budget.empty()) return write_budget(document, options.write_budget);
  print_document(options, document, runs.front());
  return kSuccess;
}

Action add_xray(CLI::App& command) {
  command.footer(std::string(kTargetHelp) + kXrayArgumentHelp);
  const auto options = std::make_shared<Options>();
  XrayTarget& target = options->target;
  command.add_option("TARGET", target.name, "What to run, see below")->required();
  command.add_option("NAME=VALUE", target.sizes,
                     "Set a size of kernels or of a layer; the others have their standard values");
  command.add_option("--dtype", target.dtype,
                     "One element type alone: float32, float64, bfloat16 or int64");
  command
      .add_option("--order", target.order,
                  "Of an operation or layer: 0 the way there, 1 and the gradients, 2 and a "
                  "Hessian-vector product")
      ->check(whole_number(0, 2))
      ->capture_default_str();
  command
      .add_option("--size", target.size, "Of an operation: elements along the largest axis, or so")
      ->check(whole_number(0, 4096))
      ->capture_default_str();
  command.add_option("--batch", target.batch, "Of a training step: images")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command.add_option("--seed", target.seed, "Draw operands, weights and images from this seed")
      ->check(whole_number(0, kAnyUnsigned))
      ->capture_default_str();
  command
      .add_option("--gpu", options->gpu,
                  "Add bounds: the least time on h100, a100, rtx4090, t4 or the GPU of FILE.json; "
                  "launchers take it for theirs")
      ->type_name("GPU");
  auto* diff = command
                   .add_option("--diff", options->diff,
                               "Say what changed since this document, which --json printed")
                   ->type_name("FILE");
  auto* budget = command
                     .add_option("--budget", options->budget,
                                 "Compare with this budget; exit code 1 where it is exceeded")
                     ->type_name("FILE")
                     ->excludes(diff);
  command
      .add_option("--write-budget", options->write_budget,
                  "Write what was counted as a budget, and beside it FILE.md with the tables")
      ->type_name("FILE")
      ->excludes(diff)
      ->excludes(budget);
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
  command
      .add_option("--limit", options->limit,
                  "Warp instructions after which the kernel counts as one that never ends")
      ->check(whole_number(1, kAnySigned))
      ->capture_default_str();
  command.add_flag("--check", options->check,
                   "Look for races in shared memory, divergent barriers and cp.async that is not "
                   "waited for; the first finding ends the run with exit code 1");
  command.add_option("--lines", options->lines, "Show so many source lines, the worst first")
      ->check(whole_number(0, kAnySigned))
      ->capture_default_str();
  command
      .add_option("--threads", options->threads,
                  "Use this many worker threads (default: one per core)")
      ->check(whole_number(1, kMostThreads));
  return [=, &command] {
    check_options(command, options->target.name);
    return run_xray(*options);
  };
}

const CommandRegistration kXray(
    {Command::Group::kKernels, "xray",
     "Run compiled CUDA kernels on the host and count what each line does", add_xray});

}  // namespace
}  // namespace switchyard

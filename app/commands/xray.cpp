#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/xray/bound.h"
#include "analysis/xray/difference.h"
#include "app/command.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/xray/arguments.h"
#include "app/xray/budget_file.h"
#include "app/xray/cache.h"
#include "app/xray/document.h"
#include "app/xray/file_target.h"
#include "app/xray/findings.h"
#include "app/xray/horizon.h"
#include "app/xray/launch_options.h"
#include "app/xray/page_options.h"
#include "app/xray/report.h"
#include "app/xray/targets.h"
#include "app/xray/text.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "kernels/xray/orders.h"

namespace switchyard {
namespace {

constexpr const char* kTargetHelp =
    R"(TARGET is one of
  FILE.cu, FILE.ptx              a kernel's source, or PTX, as 'nvcc -ptx -lineinfo' makes it
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
  XrayFile file;
  XrayPageOptions page;
  std::optional<std::string> gpu;
  std::string budget, write_budget, diff;
  XrayLaunchChoices launch;
  std::string horizon;
  std::uint64_t lines = 12;
  std::optional<int> threads;
};

/// The options that concern some kinds of targets alone.
struct Concern {
  const char* option;
  std::vector<XrayTargetKind> kinds;
};
const std::vector<Concern>& concerns() {
  using enum XrayTargetKind;
  static const std::vector<Concern> all = {{"--kernel", {kFile}},
                                           {"--arch", {kFile}},
                                           {"--grid", {kFile}},
                                           {"--block", {kFile}},
                                           {"--arg", {kFile}},
                                           {"--expect", {kFile}},
                                           {"--tolerance", {kFile}},
                                           {"--shared", {kFile}},
                                           {"--blocks", {kFile}},
                                           {"--horizon", {kFile}},
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
  check<UsageError>(kind != XrayTargetKind::kKernels || target.find('/') == std::string::npos,
                    "{}: expected a .cu or a .ptx file", target);
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

std::vector<XrayRun> run_target(const Options& options, const std::optional<xray::Gpu>& gpu) {
  const XrayTargetKind kind = kind_of(options.target.name);
  const auto film = film_options(options.page);
  if (kind == XrayTargetKind::kFile) {
    return {xray_file(options.target.name, options.file, options.launch, film)};
  }
  XrayMachineOptions of_machine{.launch = launch_options(options.launch, {}),
                                .orders = options.launch.orders};
  of_machine.launch.film = film;
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

/// What the checker found in all launches.
std::vector<kernels::xray::Finding> findings_of(const std::vector<XrayRun>& runs) {
  std::vector<kernels::xray::Finding> all;
  for (const XrayRun& run : runs) {
    for (const kernels::xray::LaunchReport& launch : run.recording.launches) {
      all.insert(all.end(), launch.findings.begin(), launch.findings.end());
    }
  }
  return all;
}

/// Prints what was counted; for people a file's launch in more detail.
void print_document(const Options& options, const nlohmann::json& document,
                    const std::vector<XrayRun>& runs,
                    const std::vector<kernels::xray::Finding>& findings) {
  if (json_wanted()) return print_json(document);
  if (kind_of(options.target.name) == XrayTargetKind::kFile && !options.gpu) {
    const auto& report = runs.front().recording.launches.front();
    print_text(xray_text(report, xray_lines(report, options.target.name), options.lines));
    if (report.cache) {
      print_text(cache_text(*report.cache, kernels::xray::text(report.schedule)));
    }
  } else {
    print_text(document_text(document, options.lines));
  }
  if (options.launch.check || options.launch.orders > 0) print_text(findings_text(findings));
  if (!options.file.expectations.empty() && findings.empty()) {
    print_text("  results: as expected\n");
  }
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

int print_horizon(const Options& options) {
  const XrayHorizon found =
      xray_file_horizon(options.target.name, options.file, options.launch, options.horizon);
  if (json_wanted()) {
    print_json(horizon_json(found));
  } else {
    print_text(horizon_text(found));
  }
  return kSuccess;
}

int run_xray(const Options& options) {
  if (options.threads) set_thread_count(*options.threads);
  if (!options.horizon.empty()) return print_horizon(options);
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
      xray_document(target_json(options.target), options.launch.check, std::move(ladder));
  if (gpu) xray::add_bounds(document, *gpu);
  if (!options.budget.empty()) return compare_with_budget(document, options.budget);
  require_results(document);
  if (!options.page.html.empty()) {
    write_xray_page(options.page.html, document, runs, ptx);
  }
  if (before) return print_difference(*before, document, options.diff);
  if (!options.write_budget.empty()) return write_budget(document, options.write_budget);
  const std::vector<kernels::xray::Finding> findings = findings_of(runs);
  print_document(options, document, runs, findings);
  return findings.empty() ? kSuccess : kFailed;
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
  add_xray_file_options(command, options->file);
  add_xray_page_options(command, options->page);
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

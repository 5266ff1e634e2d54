#include "app/xray/file_target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "app/option_values.h"
#include "app/xray/arguments.h"
#include "app/xray/expect.h"
#include "app/xray/shape.h"
#include "engine/core/check.h"
#include "engine/io/files.h"
#include "kernels/workbench/resources.h"
#include "kernels/xray/compile.h"
#include "kernels/xray/orders.h"

namespace switchyard {
namespace {

using kernels::xray::Module;

/// Says what is wrong with the name of an architecture; empty if nothing is.
std::string architecture_problem(const std::string& text) {
  const std::string digits = text.starts_with("sm_") ? text.substr(3) : "";
  const bool is_number =
      !digits.empty() &&
      std::all_of(digits.begin(), digits.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  const char last = digits.empty() ? ' ' : digits.back();
  const bool may_end = (last >= '0' && last <= '9') || (digits.size() > 1 && last == 'a');
  if (is_number && may_end) return "";
  return "expected an architecture such as sm_80, got '" + text + "'";
}

/// The PTX that a .ptx file holds, or that NVIDIA's compiler makes of a .cu file.
std::string read_ptx(const std::string& file, const std::string& architecture) {
  const bool is_source = file.ends_with(".cu");
  const std::string text = read_file(file);
  return is_source ? kernels::xray::compile_cuda(text, file, architecture) : text;
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

}  // namespace

void add_xray_file_options(CLI::App& command, XrayFile& options) {
  command
      .add_option("--kernel", options.kernel,
                  "Name of the kernel, or a part that only one has; needed where there are several")
      ->type_name("NAME");
  command
      .add_option("--arch", options.architecture,
                  "Compile FILE.cu for this architecture, by NVRTC or nvcc")
      ->type_name("sm_NUMBER")
      ->check(CLI::Validator([](std::string& text) { return architecture_problem(text); }, ""))
      ->capture_default_str();
  command.add_option("--grid", options.grid, "Blocks: X, X,Y or X,Y,Z")
      ->type_name("X,Y,Z")
      ->capture_default_str();
  command.add_option("--block", options.block, "Threads of a block: X, X,Y or X,Y,Z")
      ->type_name("X,Y,Z")
      ->capture_default_str();
  command.add_option("--arg", options.arguments, "The kernel's next argument, see below")
      ->type_name("ARGUMENT")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--expect", options.expectations, kXrayExpectHelp)
      ->type_name("N=BUFFER")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command
      .add_option("--tolerance", options.tolerance,
                  "How far a floating result x may lie from an expected y, times max(1, |y|)")
      ->check(positive_number())
      ->capture_default_str();
  command.add_option("--shared", options.shared, "Bytes of dynamic shared memory")
      ->check(whole_number(0, kAnySigned))
      ->capture_default_str();
}

XrayFileKernel load_xray_file(const std::string& file, const XrayFile& options) {
  const std::string ptx_file = std::filesystem::path(file).replace_extension(".ptx").string();
  auto module = Module::parse(read_ptx(file, options.architecture), ptx_file);
  std::string kernel = choose_kernel(*module, options.kernel);
  return {std::move(module), std::move(kernel)};
}

XrayRun xray_file(const std::string& file, const XrayFile& options,
                  const XrayLaunchChoices& choices,
                  const std::optional<kernels::xray::FilmOptions>& film) {
  const auto [module, kernel] = load_xray_file(file, options);
  const kernels::LaunchShape shape{.grid = parse_extent("--grid", options.grid),
                                   .block = parse_extent("--block", options.block),
                                   .dynamic_shared_bytes = options.shared};
  kernels::xray::Memory memory;
  kernels::xray::Code code(module, memory);
  const std::vector<std::byte> parameters =
      xray_parameters(*module->function(kernel), options.arguments, memory);
  kernels::xray::LaunchOptions launch = launch_options(choices, shape.grid);
  launch.film = film;
  XrayRun run{.name = fmt::format("{}:{}", file, kernel)};
  run.recording.launches.push_back(
      launch_in_orders(code, memory, kernel, shape, parameters, launch,
                       kernels::xray::hostile_schedules(choices.orders)));
  // What broke a rule explains a wrong result, so findings come first.
  if (!run.recording.launches.back().findings.empty()) return run;
  check_xray_expectations(kernel, memory, options.expectations, options.tolerance);
  run.about["compared"] = options.expectations.size();  // a difference would have ended the run
  return run;
}

XrayHorizon xray_file_horizon(const std::string& file, const XrayFile& options,
                              const XrayLaunchChoices& choices, const std::string& size) {
  const bool has_limit = choices.limit != kernels::xray::LaunchOptions{}.instruction_limit;
  const auto [module, kernel] = load_xray_file(file, options);
  return find_horizon({.module = module,
                       .kernel = kernel,
                       .grid = options.grid,
                       .block = options.block,
                       .arguments = options.arguments,
                       .shared = options.shared,
                       .blocks = choices.blocks.empty() ? "first,last,random:8" : choices.blocks,
                       .size = size,
                       .limit = has_limit ? choices.limit : 0});
}

}  // namespace switchyard

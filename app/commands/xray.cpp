#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/xray_arguments.h"
#include "app/xray_options.h"
#include "app/xray_report.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "kernels/workbench/resources.h"
#include "kernels/xray/xray.h"

namespace switchyard {
namespace {

using kernels::xray::Module;

struct Options {
  std::string file, kernel, grid = "1", block = "32";
  std::vector<std::string> arguments;
  std::uint64_t shared = 0;
  std::uint64_t limit = kernels::xray::LaunchOptions{}.instruction_limit;
  std::uint64_t lines = 12;
  std::optional<int> threads;
  bool check = false;
  XrayPageOptions page;
  std::string architecture = kXrayArchitecture;
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

int xray(const Options& options) {
  if (options.threads) set_thread_count(*options.threads);
  const kernels::LaunchShape shape{.grid = parse_extent("--grid", options.grid),
                                   .block = parse_extent("--block", options.block),
                                   .dynamic_shared_bytes = options.shared};
  kernels::xray::Memory memory;
  const std::string ptx_file =
      std::filesystem::path(options.file).replace_extension(".ptx").string();
  kernels::xray::Code code(Module::parse(read_ptx(options.file, options.architecture), ptx_file),
                           memory);
  const std::string kernel = choose_kernel(code.module(), options.kernel);
  const std::vector<std::byte> parameters =
      xray_parameters(*code.module().function(kernel), options.arguments, memory);
  kernels::xray::LaunchOptions launch;
  launch.instruction_limit = options.limit;
  launch.check = options.check;
  launch.film = film_options(options.page);
  const auto report = code.launch(kernel, shape, parameters, launch);
  const auto lines = xray_lines(report, options.file);
  if (!options.page.html.empty()) {
    write_xray_page(options.page, options.file, report, lines, options.check);
  }
  if (json_wanted()) {
    nlohmann::json document = xray_json(report, lines);
    document["checked"] = options.check;  // a finding would have ended the run
    print_json(document);
  } else {
    print_text(xray_text(report, lines, options.lines));
    if (options.check) print_text("  check: nothing found\n");
  }
  return kSuccess;
}

Action add_xray(CLI::App& command) {
  command.footer(kXrayArgumentHelp);
  const auto options = std::make_shared<Options>();
  command
      .add_option("file", options->file,
                  "The kernel's source, or the PTX that 'nvcc -ptx -lineinfo' makes of it")
      ->type_name("FILE.cu|FILE.ptx")
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
  command
      .add_option("--limit", options->limit,
                  "Warp instructions after which the kernel counts as one that never ends")
      ->check(whole_number(1, kAnySigned))
      ->capture_default_str();
  command.add_flag("--check", options->check,
                   "Look for races in shared memory, divergent barriers and cp.async that is not "
                   "waited for; the first finding ends the run with exit code 1");
  add_architecture_option(command, options->architecture);
  add_page_options(command, options->page);
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

#include <fmt/ranges.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/nvcc_version.h"
#include "app/output.h"
#include "app/resource_table.h"
#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string objects, write, compare;
  bool all = false;
};

int skip(const std::string& reason) {
  if (json_wanted()) {
    print_json({{"skipped", reason}});
  } else {
    print_text("switchyard: resources: skipped: {}\n", reason);
  }
  return kOtherCompiler;
}

/// Prints a line for each kernel that is worse than in the checked-in table. Errors: Error with the
/// first of them and how to update the table; with --json it is the document.
int compare(const std::string& file, const ResourceTable& now) {
  const ResourceTable before = read_table(file);
  if (before.toolkit != now.toolkit) {
    return skip(
        fmt::format("{} is of nvcc {}, this build of {}", file, before.toolkit, now.toolkit));
  }
  const std::vector<std::string> lines = regressions(before, now);
  if (lines.empty()) {
    if (json_wanted()) {
      print_json({{"kernels", now.kernels.size()}, {"worse", 0}});
    } else {
      print_text("{} kernels, none worse than in {}\n", now.kernels.size(), file);
    }
    return kSuccess;
  }
  if (!json_wanted()) print_text("{}\n", fmt::join(lines, "\n"));
  throw Error(
      fmt::format("resources: {}{}; if that is meant: ./run resources --write {}", lines.front(),
                  lines.size() > 1 ? fmt::format(", and {} kernels more", lines.size() - 1) : "",
                  fs::path(file).parent_path().string()));
}

int run_resources(const Options& options) {
  if (*kNvccVersion == '\0') return skip("this program was built without nvcc");
  const ResourceTable table = read_reports(options.objects, kNvccVersion);
  if (!options.compare.empty()) return compare(options.compare, table);
  if (!options.write.empty()) {
    check<UsageError>(fs::is_directory(options.write), "--write: no folder {}", options.write);
    write_file_atomic(fs::path(options.write) / "resources.json", to_json_lines(table));
    write_file_atomic(fs::path(options.write) / "resources.md", to_markdown(table));
    if (json_wanted()) {
      print_json({{"kernels", table.kernels.size()}, {"written", options.write}});
    } else {
      print_text("{} kernels in {} and .json\n", table.kernels.size(),
                 (fs::path(options.write) / "resources.md").string());
    }
  } else if (json_wanted()) {
    print_json_text(to_json_lines(table));
  } else {
    print_text(to_text(table, options.all));
  }
  return kSuccess;
}

/// The folder in which the build that made this program keeps the objects of nvcc.
std::string objects_of_this_build() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  return (program.parent_path() / "CMakeFiles/switchyard_cuda.dir/kernels/cuda").string();
}

Action add_resources(CLI::App& command) {
  command.footer(
      "Reads the reports that ptxas, the assembler of nvcc, wrote when the kernels were compiled, "
      "so no\n"
      "GPU is needed. The exit code is 1 where --compare finds a kernel that got worse, and 77 "
      "where this\n"
      "program was built without nvcc or by another version of it.");
  const auto options = std::make_shared<Options>();
  options->objects = objects_of_this_build();
  command
      .add_option(
          "--objects", options->objects,
          "Read the objects of nvcc and their reports in this folder (default: this build's)")
      ->type_name("DIR");
  auto* write = command
                    .add_option("--write", options->write,
                                "Write resources.md and resources.json into this folder")
                    ->type_name("DIR");
  command
      .add_option("--compare", options->compare,
                  "Compare with this file, a resources.json of an earlier build")
      ->type_name("FILE")
      ->excludes(write);
  command.add_flag("--all", options->all, "Print a row for each instantiation of a kernel");
  return [=] { return run_resources(*options); };
}

const CommandRegistration kResources(
    {Command::Group::kKernels, "resources",
     "List registers, shared memory and occupancy of the compiled kernels", add_resources});

}  // namespace
}  // namespace switchyard

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/resource_table.h"
#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

#ifdef SWITCHYARD_NVCC_VERSION
constexpr const char* kToolkit = SWITCHYARD_NVCC_VERSION;
#else
constexpr const char* kToolkit = "";
#endif
constexpr int kSkipped = 77;  // what CMake's tests take for "skipped"

struct Options {
  std::string objects, write, compare;
  bool all = false;
  bool json = false;
};

int skip(const std::string& reason) {
  fmt::print("switchyard: resources: skipped: {}\n", reason);
  return kSkipped;
}

/// Prints a line for each kernel that is worse than in the checked-in table. Errors: Error with the
/// first of them and how to update the table.
int compare(const std::string& file, const ResourceTable& now) {
  const ResourceTable before = read_table(file);
  if (before.toolkit != now.toolkit) {
    return skip(
        fmt::format("{} is of nvcc {}, this build of {}", file, before.toolkit, now.toolkit));
  }
  const std::vector<std::string> lines = regressions(before, now);
  if (lines.empty()) {
    fmt::print("{} kernels, none worse than in {}\n", now.kernels.size(), file);
    return kSuccess;
  }
  for (const std::string& line : lines) fmt::print("{}\n", line);
  throw Error(
      fmt::format("resources: {}{}; if that is meant: ./run resources --write {}", lines.front(),
                  lines.size() > 1 ? fmt::format(", and {} kernels more", lines.size() - 1) : "",
                  fs::path(file).parent_path().string()));
}

int run_resources(const Options& options) {
  if (*kToolkit == '\0') return skip("this program was built without nvcc");
  const ResourceTable table = read_reports(options.objects, kToolkit);
  if (!options.compare.empty()) return compare(options.compare, table);
  if (!options.write.empty()) {
    check<UsageError>(fs::is_directory(options.write), "--write: no folder {}", options.write);
    write_file_atomic(fs::path(options.write) / "resources.json", to_json_lines(table));
    write_file_atomic(fs::path(options.write) / "resources.md", to_markdown(table));
    fmt::print("{} kernels in {}/resources.md and .json\n", table.kernels.size(), options.write);
  } else if (options.json) {
    fmt::print("{}", to_json_lines(table));
  } else {
    fmt::print("{}", to_text(table, options.all));
  }
  return kSuccess;
}

/// Where the build that made this program keeps nvcc's objects.
std::string objects_of_this_build() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  return (program.parent_path() / "CMakeFiles/switchyard_cuda.dir/kernels/cuda").string();
}

Action add_resources(CLI::App& command) {
  command.footer(
      "From the report that ptxas gave when the kernels were compiled. No GPU is needed.\n"
      "Exit code 1 where --compare finds a kernel that got worse, 77 where nvcc was not there.");
  const auto options = std::make_shared<Options>();
  options->objects = objects_of_this_build();
  command.add_option("--objects", options->objects, "Folder of nvcc's objects and reports");
  auto* write = command.add_option("--write", options->write,
                                   "Write resources.md and resources.json into this folder");
  command.add_option("--compare", options->compare, "A resources.json to compare with")
      ->excludes(write);
  command.add_flag("--all", options->all, "A row for each instantiation");
  command.add_flag("--json", options->json, "Print JSON");
  return [=] { return run_resources(*options); };
}

const CommandRegistration kResources(
    {Command::Group::kKernels, "resources",
     "Registers, shared memory and occupancy of the compiled kernels", add_resources});

}  // namespace
}  // namespace switchyard

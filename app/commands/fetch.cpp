#include "data/fetch.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "app/command.h"
#include "app/progress.h"
#include "app/signals.h"
#include "data/dataset.h"

namespace switchyard {
namespace {

int fetch(const std::string& directory) {
  const StopSignal stop;
  Progress progress(/*json_on_stdout=*/false);
  FetchOptions options;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update(static_cast<double>(done) / static_cast<double>(total),
                    fmt::format("{} of {} MB", done / 1'000'000, total / 1'000'000));
    return !stop.requested();
  };
  const std::filesystem::path target =
      directory.empty() ? cache_directory() : std::filesystem::path(directory);
  const std::filesystem::path folder = fetch_cifar10(target, options);
  progress.clear();
  fmt::print("{}\n", folder.string());
  return kSuccess;
}

Action add_fetch(CLI::App& command) {
  command.footer(
      "170 MB; checked against its SHA-256 and unpacked. A download that was interrupted "
      "continues.\n"
      "Prints the folder, which --data and SWITCHYARD_DATA take; in the default place it is found "
      "by itself.");
  const auto directory = std::make_shared<std::string>();
  command.add_option(
      "--out", *directory,
      fmt::format("Directory to put it into (default {})", cache_directory().string()));
  return [=] { return fetch(*directory); };
}

const CommandRegistration kFetch({Command::Group::kMachine, "fetch",
                                  "Download CIFAR-10 from its home", add_fetch});

}  // namespace
}  // namespace switchyard

#include "data/fetch.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command.h"
#include "app/output.h"
#include "app/progress.h"
#include "app/signals.h"
#include "data/dataset.h"

namespace switchyard {
namespace {

int fetch(const std::string& directory) {
  const StopSignal stop;
  Progress progress;
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
  if (json_wanted()) {
    print_json({{"directory", folder.string()}});
  } else {
    print_text("{}\n", folder.string());
  }
  return kSuccess;
}

Action add_fetch(CLI::App& command) {
  command.footer(
      "Downloads 170 MB, compares them with their SHA-256 and unpacks them. A download that was\n"
      "interrupted continues. Prints the folder, which --data and SWITCHYARD_DATA take; without "
      "--out\n"
      "the other commands find it by themselves.");
  const auto directory = std::make_shared<std::string>();
  command
      .add_option(
          "--out", *directory,
          fmt::format("Put it into this directory (default: {})", cache_directory().string()))
      ->type_name("DIR");
  return [=] { return fetch(*directory); };
}

const CommandRegistration kFetch({Command::Group::kMachine, "fetch",
                                  "Download the data set CIFAR-10 from its home page", add_fetch});

}  // namespace
}  // namespace switchyard

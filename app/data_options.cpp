#include "app/data_options.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>

namespace switchyard {

void add_data_option(CLI::App& command, std::string& directory) {
  command
      .add_option(
          "--data", directory,
          "Directory with the binary files of CIFAR-10 or the IDX files of MNIST. Without it:\n"
          "SWITCHYARD_DATA, CIFAR-10 in the cache, CIFAR-10 from its home page,\n"
          "Fashion-MNIST of the operating system")
      ->type_name("DIR");
}

DatasetPair find_data(const std::string& directory, const std::string& set, Progress& progress,
                      const StopSignal* stop) {
  FetchOptions fetch;
  fetch.progress = [&](std::int64_t done, std::int64_t total) {
    progress.update(static_cast<double>(done) / static_cast<double>(total),
                    fmt::format("CIFAR-10: {} of {} MB", done / 1'000'000, total / 1'000'000));
    return stop == nullptr || !stop->requested();
  };
  const auto given =
      directory.empty() ? std::nullopt : std::optional<std::filesystem::path>(directory);
  DatasetPair data = find_dataset(
      given, [&](const std::string& text) { progress.line(text); }, fetch);
  progress.clear();
  take_users_word(data, set);
  return data;
}

nlohmann::json describe_data(const DatasetPair& data, const Selection& selection,
                             bool augmentation) {
  std::filesystem::path directory = data.train.directory;
  if (!directory.has_filename()) directory = directory.parent_path();  // a slash at the end
  return {{"name", data.train.name},          {"directory", directory.filename().string()},
          {"source", data.train.source},      {"images", data.train.count() + data.test.count()},
          {"train", selection.train.size()},  {"validation", selection.validation.size()},
          {"test", selection.test.size()},    {"augmentation", augmentation},
          {"classes", data.train.class_names}};
}

}  // namespace switchyard

#include "app/data_options.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>

#include "engine/io/files.h"

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

IdentifiedData find_identified_data(const std::string& directory, const std::string& set,
                                    Progress& progress, const StopSignal* stop) {
  IdentifiedData found{find_data(directory, set, progress, stop), {}};
  found.identity = identify(found.images);
  return found;
}

IdentifiedData find_data_of(const std::filesystem::path& run, const std::string& directory,
                            const std::string& set, Progress& progress) {
  const std::filesystem::path file = data_file(run);
  if (!path_exists(file)) {
    check<UsageError>(!directory.empty(), "{}: missing; --data names the images", file.string());
    return find_identified_data(directory, set, progress);
  }
  const DataIdentity expected = read_data_identity(file);
  const bool given = !directory.empty();
  const std::filesystem::path location =
      given ? std::filesystem::path(directory) : expected.location;
  check(given || path_exists(location),
        "{}: its images were in {}, which is not there; --data names another directory",
        run.string(), location.string());
  IdentifiedData found{load_dataset(location, expected.source, given ? "--data" : "the run's",
                                    [&](const std::string& text) { progress.line(text); }),
                       {}};
  take_users_word(found.images, set);
  found.identity = identify(found.images);
  check_same_images(expected, found.identity, run);
  return found;
}

void fit_to_data(BackboneConfig& backbone, const nlohmann::json& settings,
                 const ImageDataset& data) {
  if (!settings.contains("in_channels")) backbone.in_channels = data.images.size(3);
}

void fit_to_data(HeadConfig& head, const nlohmann::json& settings, const ImageDataset& data) {
  if (!settings.contains("classes")) head.classes = data.classes;
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

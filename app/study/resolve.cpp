#include "app/study/resolve.h"

#include "app/data_options.h"
#include "app/study/runner.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "training/presets.h"
#include "training/settings.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// The preset's fields but for those that the data set dictates.
json preset_settings(const std::string& name) {
  json settings = to_json(study_preset(name.empty() ? preset_names().front() : name));
  settings["backbone"].erase("in_channels");
  for (json& head : settings["heads"]) head.erase("classes");
  return settings;
}

/// Makes objects of heads that are given by name alone. In a resumed study, which fits its data
/// already, added heads have the classes of the first one and the study's input channels.
void complete_heads(json& settings, const std::optional<json>& earlier) {
  if (!settings.contains("heads") || !settings["heads"].is_array()) return;
  for (json& head : settings["heads"]) {
    if (head.is_string()) head = {{"name", head}};
    if (earlier && head.is_object() && !head.contains("classes")) {
      head["classes"] = earlier->at("heads").at(0).at("classes");
    }
    if (earlier && head.is_object() && head.contains("backbone") && head["backbone"].is_object() &&
        !head["backbone"].contains("in_channels")) {
      head["backbone"]["in_channels"] = earlier->at("backbone").at("in_channels");
    }
  }
}

/// UsageError unless only heads and seeds were added to the `earlier` configuration.
void check_extends(const ResolvedStudy& study, const json& earlier) {
  json a = earlier;
  json b = study.settings;
  for (const char* field : {"heads", "seeds"}) {
    a.erase(field);
    b.erase(field);
  }
  const std::string field = first_difference(a, b);
  check<UsageError>(field.empty(),
                    "--resume: {} differs from the study's; only heads and seeds may "
                    "be added",
                    field);
  const json heads = to_json(study.config).at("heads");
  const json& old_heads = earlier.at("heads");
  const bool heads_kept = heads.size() >= old_heads.size() &&
                          std::equal(old_heads.begin(), old_heads.end(), heads.begin());
  check<UsageError>(heads_kept, "--resume: the first heads must be the study's, as they were");
  const auto seeds = earlier.at("seeds").get<std::int64_t>();
  check<UsageError>(study.config.seeds >= seeds, "--resume: the study has {} seeds already", seeds);
}

}  // namespace

void ResolvedStudy::fit_to(const ImageDataset& data) {
  const json common = settings.value("backbone", json::object());
  fit_to_data(config.backbone, common, data);
  for (std::size_t i = 0; i < config.models.size(); ++i) {
    const json& head = settings.at("heads").at(i);
    fit_to_data(config.models[i].backbone, head.value("backbone", common), data);
    fit_to_data(config.models[i].head, head, data);
  }
}

ResolvedStudy resolve_study(const StudyOptions& options, const std::optional<json>& earlier) {
  check<UsageError>(!earlier || options.settings.preset.empty(),
                    "--resume goes on with the study's configuration: --preset does not go with "
                    "it");
  ResolvedStudy study;
  study.settings = earlier ? *earlier : preset_settings(options.settings.preset);
  for (const json& layer : upper_layers(options.settings, "training.")) {
    study.settings = merge_settings(std::move(study.settings), layer);
  }
  if (!options.heads.empty()) study.settings["heads"] = options.heads;
  if (options.seeds) study.settings["seeds"] = *options.seeds;
  complete_heads(study.settings, earlier);
  study.config = parse_study_config(study.settings, settings_source(options.settings));
  if (earlier) check_extends(study, *earlier);
  return study;
}

json read_study_settings(const std::filesystem::path& directory) {
  const std::filesystem::path file = study_file(directory);
  check(path_exists(file), "{}: no study to resume (it has no study.json)", directory.string());
  const json study = read_json(file);
  check(study.is_object() && study.contains("configuration"),
        "{}: the field configuration is missing", file.string());
  return to_json(parse_study_config(study.at("configuration"), file.string() + ": configuration"));
}

}  // namespace switchyard

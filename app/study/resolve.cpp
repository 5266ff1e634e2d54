#include "app/study/resolve.h"

#include "app/study/runner.h"
#include "engine/io/json.h"
#include "training/presets.h"
#include "training/settings.h"

namespace switchyard {
namespace {

using nlohmann::json;

json base_config(const StudyOptions& options, const std::optional<StudyConfig>& earlier) {
  if (!earlier) {
    const std::string& preset = options.settings.preset;
    return to_json(study_preset(preset.empty() ? preset_names().front() : preset));
  }
  check<UsageError>(
      options.settings.preset.empty(),
      "--resume goes on with the study's configuration: --preset does not go with it");
  return to_json(*earlier);
}

/// Channels and classes of the data in a configuration that is complete.
void set_data_fields(json& config, const ImageDataset& data) {
  config["backbone"]["in_channels"] = data.images.size(3);
  for (json& head : config["heads"]) head["classes"] = data.classes;
}

/// Heads by name alone become objects, and heads that say nothing of classes get the data's.
void complete_heads(json& config, const ImageDataset& data) {
  if (!config.contains("heads") || !config["heads"].is_array()) return;
  for (json& head : config["heads"]) {
    if (head.is_string()) head = {{"name", head}};
    if (head.is_object() && !head.contains("classes")) head["classes"] = data.classes;
  }
}

/// Only heads and seeds may be added to a study.
void check_extends(const json& config, const json& earlier) {
  json a = earlier;
  json b = config;
  const json old_heads = a["heads"];
  const json new_heads = b["heads"];
  for (const char* field : {"heads", "seeds"}) {
    a.erase(field);
    b.erase(field);
  }
  const std::string field = first_difference(a, b);
  check<UsageError>(field.empty(),
                    "--resume: {} differs from the study's; only heads and seeds may "
                    "be added",
                    field);
  const bool heads_kept = new_heads.size() >= old_heads.size() &&
                          std::equal(old_heads.begin(), old_heads.end(), new_heads.begin());
  check<UsageError>(heads_kept, "--resume: the first heads must be the study's, as they were");
  check<UsageError>(config["seeds"] >= earlier["seeds"], "--resume: the study has {} seeds already",
                    earlier["seeds"].get<std::int64_t>());
}

}  // namespace

StudyConfig resolve_study(const StudyOptions& options, const ImageDataset* data,
                          const std::optional<StudyConfig>& earlier) {
  json config = base_config(options, earlier);
  if (data != nullptr && !earlier) set_data_fields(config, *data);
  for (const json& layer : upper_layers(options.settings, "training.")) {
    config = merge_settings(config, layer);
  }
  if (!options.heads.empty()) config["heads"] = options.heads;
  if (options.seeds) config["seeds"] = *options.seeds;
  if (data != nullptr) complete_heads(config, *data);
  const StudyConfig result = parse_study_config(config, settings_source(options.settings));
  if (data != nullptr && earlier) check_extends(to_json(result), to_json(*earlier));
  return result;
}

StudyConfig read_study_config(const std::filesystem::path& directory) {
  const std::filesystem::path file = study_file(directory);
  check(std::filesystem::exists(file), "{}: no study to resume (it has no study.json)",
        directory.string());
  const json study = read_json(file);
  check(study.is_object() && study.contains("configuration"),
        "{}: the field configuration is missing", file.string());
  return parse_study_config(study.at("configuration"), file.string() + ": configuration");
}

}  // namespace switchyard

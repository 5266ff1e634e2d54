#include "analysis/report/study_files.h"

#include <string>

#include "analysis/report/check_results.h"
#include "analysis/report/json_field.h"
#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/path_text.h"
#include "training/metrics.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json read_epochs(const fs::path& path, const std::string& label, const RunShape& shape) {
  json epochs = read_metrics(path);
  check(!epochs.empty(), "{}: no finished epoch in it", label);
  for (size_t i = 0; i < epochs.size(); ++i) {
    check_epoch(JsonField(epochs[i], fmt::format("{} line {}", label, i + 1)), shape);
  }
  return epochs;
}

json read_run(const fs::path& directory, const std::string& name) {
  json run = {{"name", name}};
  const auto label = [&](const char* file) { return name + "/" + file; };
  const auto load = [&](const char* file) {
    return parse_json(read_file(directory / file), label(file));
  };
  run["config"] = load("config.json");
  run["results"] = load("results.json");
  const RunShape shape = check_run(JsonField(run["config"], label("config.json")),
                                   JsonField(run["results"], label("results.json")));
  run["metrics"] = read_epochs(directory / "metrics.jsonl", label("metrics.jsonl"), shape);
  return run;
}

/// The study that a single run stands for.
json study_of_run(const json& run) {
  const json& results = run.at("results");
  return {{"title", run.at("name")},
          {"status", results.at("status")},
          {"data_set", results.at("data_set")},
          {"machine", results.at("machine")}};
}

}  // namespace

json read_study(const fs::path& directory) {
  check(file_type_at(directory) == fs::file_type::directory, "{}: no such directory",
        directory.string());
  const fs::path study_path = directory / "study.json";
  if (path_exists(study_path)) {
    json study = parse_json(read_file(study_path), "study.json");
    json runs = json::array();
    for (const std::string& name : check_study(JsonField(study, "study.json"))) {
      runs.push_back(read_run(directory / name, name));
    }
    return {{"study", std::move(study)}, {"runs", std::move(runs)}};
  }
  check(path_exists(directory / "results.json"),
        "{}: neither a study (study.json) nor a run (results.json)", directory.string());
  std::error_code error;
  const fs::path absolute = fs::canonical(directory, error);  // "." and "run/" have a name, too
  check(!error, "{}: cannot be looked at: {}", directory.string(), error.message());
  json run = read_run(directory, text_of_path(absolute.filename()));
  json study = study_of_run(run);
  return {{"study", std::move(study)}, {"runs", json::array({std::move(run)})}};
}

}  // namespace switchyard

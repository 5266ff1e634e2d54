#include "analysis/report/study_files.h"

#include <sstream>
#include <string>

#include "analysis/report/check_results.h"
#include "analysis/report/json_field.h"
#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// One object per line; empty lines are passed over.
json read_metrics(const fs::path& path, const std::string& label, const RunShape& shape) {
  json epochs = json::array();
  std::istringstream in(read_file(path));
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    const std::string place = fmt::format("{} line {}", label, number);
    epochs.push_back(parse_json(line, place));
    check_epoch(JsonField(epochs.back(), place), shape);
  }
  check(!epochs.empty(), "{}: no epoch in it", label);
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
  run["metrics"] = read_metrics(directory / "metrics.jsonl", label("metrics.jsonl"), shape);
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
  check(fs::is_directory(directory), "{}: no such directory", directory.string());
  const fs::path study_path = directory / "study.json";
  if (fs::exists(study_path)) {
    json study = parse_json(read_file(study_path), "study.json");
    json runs = json::array();
    for (const std::string& name : check_study(JsonField(study, "study.json"))) {
      runs.push_back(read_run(directory / name, name));
    }
    return {{"study", std::move(study)}, {"runs", std::move(runs)}};
  }
  check(fs::exists(directory / "results.json"),
        "{}: neither a study (study.json) nor a run (results.json)", directory.string());
  const fs::path absolute = fs::weakly_canonical(directory);  // "." and "run/" have a name, too
  json run = read_run(directory, absolute.filename().string());
  json study = study_of_run(run);
  return {{"study", std::move(study)}, {"runs", json::array({std::move(run)})}};
}

}  // namespace switchyard

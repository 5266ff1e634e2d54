#include "app/study/study_config.h"

#include <map>

#include "engine/io/json.h"
#include "training/presets.h"

namespace switchyard {
namespace {

using nlohmann::json;

constexpr const char* kPublishedHeads[] = {"dense", "soft_moe", "sparse_moe"};

json training_json(const TrainConfig& config) {
  json training = to_json(config);
  training.erase("model");
  return training;
}

TrainConfig parse_training(JsonObject& object, const std::string& where) {
  const json training = object.optional<json>("training", json::object());
  if (training.is_object() && training.contains("model")) {
    object.fail("training", "has no field model: a study has backbone and heads");
  }
  return parse_train_config(training, where + ": training");
}

/// Reads a head from its name or its object; `index` is its place in the list. It is read beside
/// the backbone that it is to stand behind.
HeadConfig parse_head(const json& head, std::size_t index, const json& backbone,
                      const std::string& where) {
  const json object = head.is_string() ? json{{"name", head}} : head;
  return parse_model_config({{"backbone", backbone}, {"head", object}},
                            fmt::format("{}: heads[{}]", where, index))
      .head;
}

std::vector<HeadConfig> parse_heads(JsonObject& object, const BackboneConfig& backbone,
                                    const std::string& where) {
  const json body = to_json(ModelConfig{.backbone = backbone, .head = {}}).at("backbone");
  const auto list = object.required<std::vector<json>>("heads");
  if (list.empty()) object.fail("heads", "must not be empty");
  std::vector<HeadConfig> heads;
  for (const json& head : list) heads.push_back(parse_head(head, heads.size(), body, where));
  return heads;
}

BackboneConfig parse_backbone(JsonObject& object, const std::string& where) {
  const json backbone = object.optional<json>("backbone", json::object());
  return parse_model_config({{"backbone", backbone}, {"head", {{"name", "dense"}}}}, where)
      .backbone;
}

json head_json(const HeadConfig& head) {
  return to_json(ModelConfig{.backbone = {}, .head = head}).at("head");
}

}  // namespace

StudyConfig study_preset(const std::string& name) {
  StudyConfig config;
  config.preset = name;
  config.training = training_preset(name);
  config.backbone = config.training.model.backbone;
  for (const char* head : kPublishedHeads) config.heads.push_back({.name = head});
  if (name == "quick") {
    config.analysis.images = 250;  // one batch, whose gradient graph is kept
    config.analysis.curvature.lanczos.max_iterations = 20;
    config.analysis.perturbation.points = 11;
    config.analysis.perturbation.random_directions = 2;
  } else if (name == "tiny") {
    config.analysis.images = 100;
    config.analysis.batch_size = 50;
    config.analysis.curvature.lanczos.max_iterations = 5;
    config.analysis.curvature.hutchinson.samples = 3;
    config.analysis.perturbation.points = 3;
    config.analysis.perturbation.random_directions = 1;
    config.analysis.efficiency.batch_sizes = {1, 16};
    config.analysis.efficiency.timing.target_seconds = 0.1;
  }
  return config;
}

StudyConfig parse_study_config(const json& value, const std::string& where) {
  JsonObject object(value, where);
  StudyConfig config;
  config.preset = object.optional<std::string>("preset", config.preset);
  config.backbone = parse_backbone(object, where);
  config.heads = parse_heads(object, config.backbone, where);
  config.seeds = object.optional<std::int64_t>("seeds", config.seeds);
  if (config.seeds < 1 || config.seeds > kMostSeeds) {
    object.fail("seeds", fmt::format("must be from 1 to {}, got {}", kMostSeeds, config.seeds));
  }
  config.training = parse_training(object, where);
  config.analysis = parse_analysis_config(object.optional_object("analysis"));
  object.finish([] { return to_json(StudyConfig{}); });
  return config;
}

json to_json(const StudyConfig& config) {
  json heads = json::array();
  for (const HeadConfig& head : config.heads) heads.push_back(head_json(head));
  return {
      {"preset", config.preset},
      {"backbone", to_json(ModelConfig{.backbone = config.backbone, .head = {}}).at("backbone")},
      {"heads", heads},
      {"seeds", config.seeds},
      {"training", training_json(config.training)},
      {"analysis", to_json(config.analysis)}};
}

std::vector<StudyRun> study_runs(const StudyConfig& config) {
  std::vector<StudyRun> runs;
  for (std::int64_t i = 0; i < config.seeds; ++i) {
    std::map<std::string, int> seen;
    for (const HeadConfig& head : config.heads) {
      StudyRun run{.name = head.name, .config = config.training};
      if (const int times = ++seen[head.name]; times > 1) run.name += fmt::format("-{}", times);
      run.config.model = {.backbone = config.backbone, .head = head};
      run.config.seed += static_cast<std::uint64_t>(i);
      run.name += fmt::format("-seed{}", run.config.seed);
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

}  // namespace switchyard

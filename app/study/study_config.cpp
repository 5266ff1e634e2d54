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

json backbone_json(const BackboneConfig& backbone) {
  return to_json(ModelConfig{.backbone = backbone, .head = {}}).at("backbone");
}

/// Reads an element of `heads`, a name or an object. `index` is its place in the list, `backbone`
/// the study's.
ModelConfig parse_model(const json& element, std::size_t index, const json& backbone,
                        const std::string& where) {
  json head = element.is_string() ? json{{"name", element}} : element;
  json own = backbone;
  if (head.is_object() && head.contains("backbone")) {
    own = head["backbone"];
    head.erase("backbone");
  }
  return parse_model_config({{"backbone", own}, {"head", head}},
                            fmt::format("{}: heads[{}]", where, index));
}

std::vector<ModelConfig> parse_models(JsonObject& object, const BackboneConfig& backbone,
                                      const std::string& where) {
  const json common = backbone_json(backbone);
  const auto list = object.required<std::vector<json>>("heads");
  if (list.empty()) object.fail("heads", "must not be empty");
  std::vector<ModelConfig> models;
  for (const json& element : list) {
    models.push_back(parse_model(element, models.size(), common, where));
  }
  return models;
}

BackboneConfig parse_backbone(JsonObject& object, const std::string& where) {
  const json backbone = object.optional<json>("backbone", json::object());
  return parse_model_config({{"backbone", backbone}, {"head", {{"name", "dense"}}}}, where)
      .backbone;
}

/// The element of `heads` that stands for the model in a study on `common`.
json model_json(const ModelConfig& model, const json& common) {
  json head = to_json(model).at("head");
  const json backbone = backbone_json(model.backbone);
  if (backbone != common) head["backbone"] = backbone;
  return head;
}

/// "dense", or "dense-small_moe" for a head on a backbone of its own.
std::string model_name(const ModelConfig& model, const BackboneConfig& common) {
  if (backbone_json(model.backbone) == backbone_json(common)) return model.head.name;
  return model.head.name + "-" + model.backbone.name;
}

/// The sparse gate's weights without those of its noise, which an evaluation does not use; all of
/// another gate.
constexpr const char* kGates = "head.gate.??[!n]*";

/// What a study measures of the Hessian's spectrum: of all parameters; of the gate, and of each
/// expert on its own images; and the exact eigenvalues of `exact`, block by block.
std::vector<HessianRequest> spectra_preset(int top, const std::vector<std::string>& exact) {
  HessianRequest whole;
  whole.top = top;
  whole.trace = whole.density = true;
  HessianRequest parts;
  parts.blocks = {"head.gate"};
  parts.top = 1;
  parts.trace = parts.experts = true;
  HessianRequest dense;
  dense.blocks = exact;
  dense.split = dense.spectrum = true;
  dense.dtype = DType::kFloat64;
  return {whole, parts, dense};
}

}  // namespace

StudyConfig study_preset(const std::string& name) {
  StudyConfig config;
  config.preset = name;
  config.training = training_preset(name);
  config.backbone = config.training.model.backbone;
  for (const char* head : kPublishedHeads) {
    config.models.push_back({.backbone = config.backbone, .head = {.name = head}});
  }
  // As many steps as the search for the eigenpairs takes in any case.
  config.analysis.curvature.density = {.probes = 2, .steps = 20};
  config.analysis.hessian = spectra_preset(5, {kGates, "head.experts.*.net.3"});
  if (name == "quick") {
    config.analysis.images = 250;  // five batches
    config.analysis.curvature.density = {.probes = 1, .steps = 12};
    config.analysis.hessian = spectra_preset(3, {kGates});  // experts' layers would double the time
    config.analysis.curvature.lanczos.max_iterations = 20;
    config.analysis.perturbation.points = 11;
    config.analysis.perturbation.random_directions = 2;
    config.analysis.perturbation.surface_points = 7;
    config.analysis.perturbation.noise.pairs = 6;
  } else if (name == "tiny") {
    config.analysis.images = 40;
    config.analysis.batch_size = 10;
    config.analysis.curvature.lanczos.max_iterations = 5;
    config.analysis.curvature.hutchinson.samples = 3;
    config.analysis.curvature.density = {.probes = 1, .steps = 5};
    config.analysis.hessian = spectra_preset(2, {"head.experts.*.net.3.bias"});
    config.analysis.perturbation.points = 3;
    config.analysis.perturbation.random_directions = 1;
    config.analysis.perturbation.surface_points = 3;
    config.analysis.perturbation.worst_case = {.radii = {0.05, 0.1}, .steps = 2};
    config.analysis.perturbation.noise = {.sigmas = {0.005, 0.01}, .pairs = 2};
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
  config.models = parse_models(object, config.backbone, where);
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
  const json backbone = backbone_json(config.backbone);
  json heads = json::array();
  for (const ModelConfig& model : config.models) heads.push_back(model_json(model, backbone));
  return {{"preset", config.preset},
          {"backbone", backbone},
          {"heads", heads},
          {"seeds", config.seeds},
          {"training", training_json(config.training)},
          {"analysis", to_json(config.analysis)}};
}

std::vector<StudyRun> study_runs(const StudyConfig& config) {
  std::vector<StudyRun> runs;
  for (std::int64_t i = 0; i < config.seeds; ++i) {
    std::map<std::string, int> seen;
    for (const ModelConfig& model : config.models) {
      StudyRun run{.name = model_name(model, config.backbone), .config = config.training};
      if (const int times = ++seen[run.name]; times > 1) run.name += fmt::format("-{}", times);
      run.config.model = model;
      run.config.seed += static_cast<std::uint64_t>(i);
      run.name += fmt::format("-seed{}", run.config.seed);
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

}  // namespace switchyard

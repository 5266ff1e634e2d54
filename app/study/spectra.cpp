#include "app/study/spectra.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/hessian_measurement.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// The analysis as one of its measurements is made: in a dtype of its own, where it has one.
AnalysisConfig config_for(const AnalysisConfig& config, const HessianRequest& request) {
  AnalysisConfig own = config;
  own.dtype = request.dtype.value_or(config.dtype);
  return own;
}

std::vector<ImageSet> image_sets(const Subsets& subsets) {
  return {{"train", subsets.train}, {"test", subsets.test}};
}

std::string state_of(const RunDirectory& run) { return (run.path() / "spectra").string(); }

/// What the measurements depend on.
json analysis_json(const AnalysisConfig& config) {
  json analysis = to_json(config);
  for (const char* other : {"perturbation", "efficiency"}) analysis.erase(other);
  return analysis;
}

/// The run's `spectra`: what is there of the same analysis, or an empty section.
json spectra_so_far(const RunDirectory& run, const AnalysisConfig& config) {
  const json analysis = analysis_json(config);
  json spectra = run.results().value("spectra", json::object());
  if (spectra.value("analysis", json()) == analysis) return spectra;
  return {{"analysis", analysis}, {"complete", false}, {"measurements", json::array()}};
}

/// What the list has for this model.
std::vector<HessianRequest> planned(const AnalysisConfig& config, Classifier& model) {
  std::vector<HessianRequest> requests;
  for (const HessianRequest& request : config.hessian) {
    if (auto own = applicable(request, model)) requests.push_back(std::move(*own));
  }
  return requests;
}

}  // namespace

void SpectraStage::check_models(const std::vector<ModelConfig>& models,
                                const std::vector<HessianRequest>& usual) const {
  if (config_.hessian.empty()) return;
  std::vector<bool> found;
  for (const HessianRequest& request : config_.hessian) {
    found.push_back(std::ranges::any_of(
        usual, [&](const HessianRequest& other) { return to_json(other) == to_json(request); }));
  }
  for (const ModelConfig& config : models) {
    const auto model = make_classifier(config, Generator(1), DType::kFloat32, Device::kCpu);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto request = applicable(config_.hessian[i], *model);
      if (!request) continue;
      found[i] = true;
      const AnalysisConfig own = config_for(config_, *request);
      try {
        const HessianMeasurement measurement(*model, *request, own, progress_, stop_);
      } catch (const UsageError& error) {
        throw UsageError(
            fmt::format("analysis.hessian[{}]: {} (head {})", i, error.what(), config.head.name));
      }
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    check<UsageError>(found[i], "analysis.hessian[{}]: no model has a parameter of its blocks '{}'",
                      i, fmt::join(config_.hessian[i].blocks, "', '"));
  }
}

CurvatureProducts SpectraStage::shared_products(const RunDirectory& run, Classifier& model,
                                                const Subsets& subsets) const {
  const std::vector<HessianRequest> requests = planned(config_, model);
  if (requests.empty()) return {};
  HessianRequest request = requests.front();
  const bool whole = request.blocks.empty() && request.operator_name == "hessian" &&
                     request.dtype.value_or(config_.dtype) == config_.dtype;
  if (!whole) return {};
  request.state = state_of(run);
  const HessianMeasurement measurement(model, request, config_, progress_, stop_);
  const std::filesystem::path state = measurement.state_of(image_sets(subsets));
  return {products_of(state, "train", 0), products_of(state, "test", 0)};
}

bool SpectraStage::measure(const RunDirectory& run, const DatasetPair& data,
                           const Selection& selection, Device device) const {
  json spectra = spectra_so_far(run, config_);
  json& measurements = spectra["measurements"];
  std::unique_ptr<Classifier> model = load_run(run, config_.weights, config_.dtype, device).model;
  std::vector<HessianRequest> requests = planned(config_, *model);
  for (std::size_t i = measurements.size(); i < requests.size(); ++i) {
    HessianRequest& request = requests[i];
    const AnalysisConfig own = config_for(config_, request);
    if (model->dtype() != own.dtype)
      model = load_run(run, config_.weights, own.dtype, device).model;
    request.state = state_of(run);
    HessianMeasurement measurement(*model, request, own, progress_, stop_);
    json section = measurement.measure(image_sets(analysis_subsets(data, selection, own)));
    if (!measurement.complete()) return false;
    section.erase("graph_memory");  // of the machine at that moment, no result
    measurements.push_back(std::move(section));
    run.update_results({{"spectra", spectra}, {"weights", name(config_.weights)}});
  }
  spectra["complete"] = true;
  run.update_results({{"spectra", spectra}, {"weights", name(config_.weights)}});
  std::error_code ignored;  // products of weights or settings that are no longer the run's
  std::filesystem::remove_all(state_of(run), ignored);
  return true;
}

}  // namespace switchyard

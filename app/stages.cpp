#include "app/stages.h"

#include <nlohmann/json.hpp>

#include "analysis/curvature/block_measurement.h"
#include "analysis/routing_gain.h"
#include "app/data_options.h"
#include "app/hessian_measurement.h"
#include "app/machine.h"
#include "engine/autograd/node.h"
#include "models/multiply_adds.h"
#include "training/checkpoint.h"
#include "training/evaluate.h"
#include "training/metrics.h"

namespace switchyard {
namespace {

/// The analysis seed is forked for each of these purposes.
enum Stream : std::uint64_t { kTrainSubset, kTestSubset };

Generator stream(const AnalysisConfig& config, Stream purpose) {
  return Generator(config.seed).fork(purpose);
}

/// Of the training subset: its Ritz vectors are the perturbation's directions.
CurvatureOptions of_training(const AnalysisConfig& config) {
  CurvatureOptions options = config.curvature;
  options.lanczos.vectors = config.perturbation.eigenvectors;
  return options;
}

double training_seconds(const RunDirectory& run) {
  double seconds = 0.0;
  for (const nlohmann::json& epoch : read_metrics(run.metrics_file())) {
    seconds += epoch.at("seconds").get<double>();
  }
  return seconds;
}

}  // namespace

Subsets analysis_subsets(const DatasetPair& data, const Selection& selection,
                         const AnalysisConfig& config) {
  return {subset_batches(data.train, selection.train, config.images, config.batch_size,
                         config.dtype, stream(config, kTrainSubset)),
          subset_batches(data.test, selection.test, config.images, config.batch_size, config.dtype,
                         stream(config, kTestSubset))};
}

void keep_results_of(const RunDirectory& run, RunWeights weights, const std::string& label,
                     Progress& progress) {
  const std::optional<RunWeights> measured = run.measured_weights();
  if (!measured || measured == weights) return;
  run.forget_results();
  progress.line(
      fmt::format("{}: its results were of the {} weights: it is measured again with the {} ones",
                  label, name(*measured), name(weights)));
}

nlohmann::json score_section(const RunDirectory& run, RunWeights weights, const DatasetPair& data,
                             const Selection& selection, int threads) {
  const TrainConfig config = run.config();
  const LoadedRun loaded = load_run(run, weights, config.dtype, parse_device(config.device));
  const TrainingState state = read_training_state(run.checkpoint_file());
  const bool best = weights == RunWeights::kBest;
  const Evaluation test =
      evaluate(*loaded.model, data.test, selection.test, config.evaluation_batch_size);
  const Evaluation train =
      evaluate(*loaded.model, data.train, selection.train, config.evaluation_batch_size);
  const Shape& images = data.test.images.shape();  // [N, H, W, C]
  const MultiplyAdds cost = multiply_adds(config.model, images[1], images[2]);
  return {{"schema", "switchyard-run/1"},
          {"weights", name(weights)},
          {"weights_epoch", best ? state.best_epoch : state.finished_epochs},
          {"multiply_adds", cost.total()},
          {"routed_share", cost.routed_share()},
          {"best_epoch", state.best_epoch},
          {"best_validation_accuracy", state.best_validation_accuracy},
          {"training_seconds", training_seconds(run)},
          {"data_set", describe_data(data, selection, config.data.augment)},
          {"machine", describe_machine(config.device, threads)},
          {"test", evaluation_json(test)},
          {"train", evaluation_json(train)}};
}

Curvature curvature_of_subsets(Classifier& model, const Subsets& subsets,
                               const AnalysisConfig& config, const CurvatureProducts& products) {
  const Generator vectors = block_vectors(config, 0);
  return {measure_curvature(model, subsets.train, vectors, of_training(config), products.train),
          measure_curvature(model, subsets.test, vectors, config.curvature, products.test)};
}

LanczosResult top_eigenvector(Classifier& model, const Subsets& subsets,
                              const AnalysisConfig& config) {
  return top_eigenvectors(model, subsets.train, block_vectors(config, 0), of_training(config));
}

nlohmann::json curvature_section(const Curvature& curvature, const AnalysisConfig& config) {
  return {{"dtype", name(config.dtype)},
          {"mode", "evaluation"},
          {"train", to_json(curvature.train)},
          {"test", to_json(curvature.test)}};
}

nlohmann::json routing_gain_section(const std::vector<RunDirectory>& runs, const DatasetPair& data,
                                    const AnalysisConfig& config) {
  std::vector<LoadedRun> loaded;
  std::vector<NamedModel> models;
  for (const RunDirectory& run : runs) {
    loaded.push_back(
        load_run(run, config.weights, DType::kFloat32, parse_device(run.config().device)));
    models.push_back({run.path().filename().string(), loaded.back().model.get()});
  }
  const Shape& images = data.test.images.shape();  // [N, H, W, C]
  nlohmann::json gain =
      to_json(measure_routing_gain(models, {images[1], images[2], images[3]}, config.efficiency));
  for (const NamedModel& model : models) gain["runs"].push_back(model.name);
  return gain;
}

nlohmann::json efficiency_section(const RunDirectory& run, const DatasetPair& data,
                                  const AnalysisConfig& config) {
  const LoadedRun loaded =
      load_run(run, config.weights, DType::kFloat32, parse_device(run.config().device));
  const Shape& images = data.test.images.shape();  // [N, H, W, C]
  return to_json(
      measure_efficiency(*loaded.model, {images[1], images[2], images[3]}, config.efficiency));
}

}  // namespace switchyard

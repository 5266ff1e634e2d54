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

nlohmann::json test_section(const RunDirectory& run, const DatasetPair& data,
                            const Selection& selection, int threads) {
  const TrainConfig config = run.config();
  const LoadedRun loaded = load_run(run, config.dtype, parse_device(config.device));
  const TrainingState state = read_training_state(run.checkpoint_file());
  const Evaluation test =
      evaluate(*loaded.model, data.test, selection.test, config.evaluation_batch_size);
  const Shape& images = data.test.images.shape();  // [N, H, W, C]
  const MultiplyAdds cost = multiply_adds(config.model, images[1], images[2]);
  return {{"schema", "switchyard-run/1"},
          {"multiply_adds", cost.total()},
          {"routed_share", cost.routed_share()},
          {"best_epoch", state.best_epoch},
          {"best_validation_accuracy", state.best_validation_accuracy},
          {"training_seconds", training_seconds(run)},
          {"data_set", describe_data(data, selection, config.data.augment)},
          {"machine", describe_machine(config.device, threads)},
          {"test", test_json(test)}};
}

Curvature curvature_of_subsets(Classifier& model, const Subsets& subsets,
                               const AnalysisConfig& config, const CurvatureProducts& products) {
  const Generator vectors = block_vectors(config, 0);
  return {measure_curvature(model, subsets.train, vectors, config.curvature, products.train),
          measure_curvature(model, subsets.test, vectors, config.curvature, products.test)};
}

LanczosResult top_eigenvector(Classifier& model, const Subsets& subsets,
                              const AnalysisConfig& config) {
  LossHessian hessian =
      cross_entropy_hessian(model, subsets.train, config.curvature.graph_memory(model.device()));
  return lanczos(hessian, first_start(block_vectors(config, 0)), config.curvature.lanczos);
}

nlohmann::json curvature_section(const Curvature& curvature, const AnalysisConfig& config) {
  return {{"dtype", name(config.dtype)},
          {"mode", "evaluation"},
          {"train", to_json(curvature.train)},
          {"test", to_json(curvature.test)}};
}

nlohmann::json perturbation_section(Classifier& model, const Subsets& subsets,
                                    const LanczosResult& top, const AnalysisConfig& config) {
  const LossHessian train = cross_entropy_hessian(model, subsets.train);
  const LossHessian test = cross_entropy_hessian(model, subsets.test);
  // A filter is a row of a published tensor, so the stacks of experts are taken apart.
  const std::vector<Tensor> parameters = nn::tensors_of(nn::published(model.parameters()));
  const std::vector<Tensor> eigenvector =
      nn::tensors_of(nn::published(model.parameters(), top.vector));
  return to_json(perturbation(parameters,
                              {[&] { return train.loss(); }, [&] { return test.loss(); }},
                              top.largest.value, eigenvector, config.perturbation));
}

nlohmann::json routing_gain_section(const std::vector<RunDirectory>& runs, const DatasetPair& data,
                                    const AnalysisConfig& config) {
  std::vector<LoadedRun> loaded;
  std::vector<NamedModel> models;
  for (const RunDirectory& run : runs) {
    loaded.push_back(load_run(run, DType::kFloat32, parse_device(run.config().device)));
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
  const LoadedRun loaded = load_run(run, DType::kFloat32, parse_device(run.config().device));
  const Shape& images = data.test.images.shape();  // [N, H, W, C]
  return to_json(
      measure_efficiency(*loaded.model, {images[1], images[2], images[3]}, config.efficiency));
}

}  // namespace switchyard

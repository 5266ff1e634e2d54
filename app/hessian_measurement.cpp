#include "app/hessian_measurement.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/expert_curvature.h"
#include "analysis/curvature/product_journal.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// The analysis seed is forked for the random vectors of a measurement, block by block.
constexpr std::uint64_t kVectors = 16;
constexpr std::uint64_t kExpertVectors = 17;

json graph_memory_json(const GraphMemory& memory) {
  return {{"limit_bytes", memory.limit()}, {"rebuilt_graphs", memory.refused()}};
}

}  // namespace

std::filesystem::path products_of(const std::filesystem::path& state, const std::string& set,
                                  std::size_t block) {
  return state / fmt::format("{}-{}", set, block);
}

Generator block_vectors(const AnalysisConfig& config, std::size_t block) {
  return Generator(config.seed).fork(kVectors).fork(block);
}

HessianMeasurement::HessianMeasurement(Classifier& model, HessianRequest request,
                                       const AnalysisConfig& config, Progress& progress,
                                       const StopSignal& stop)
    : model_(model),
      request_(std::move(request)),
      config_(config),
      kind_(parse_curvature_kind(request_.operator_name)),
      memory_(config.curvature.graph_memory(model.device())),
      watch_(progress, stop, request_.time_limit) {
  const bool asked = request_.top > 0 || request_.bottom > 0 || request_.trace || request_.xtrace ||
                     request_.density || request_.spectrum;
  if (!asked) {
    request_.top = 1;
    request_.trace = true;
  }
  const ParameterBlock all(model.parameters());
  if (request_.blocks.empty()) blocks_.push_back({"all", all});
  for (const std::string& glob : request_.blocks) {
    const ParameterBlock block = all.matching(std::span(&glob, 1));
    if (!request_.split) {
      blocks_.push_back({glob, block});
    } else {
      std::ranges::move(split_by_module(block), std::back_inserter(blocks_));
    }
  }
  check_request();
}

void HessianMeasurement::check_request() const {
  check<UsageError>(!request_.spectrum || config_.dtype == DType::kFloat64,
                    "a spectrum is computed in float64: it needs dtype=float64");
  check<UsageError>(!request_.experts || model_.config().head.name != "dense",
                    "--experts: a dense head has no experts");
  check<UsageError>(!request_.xtrace || config_.curvature.hutchinson.samples >= 2,
                    "--xtrace takes two products for each vector: curvature.trace_samples must be "
                    "at least 2, got {}",
                    config_.curvature.hutchinson.samples);
  for (const NamedBlock& block : blocks_) check_block(block.name, block.block);
  if (!request_.experts) return;
  const std::string expert = "head.experts.0";  // all are alike
  check_block(expert, ParameterBlock(model_.parameters()).matching(std::span(&expert, 1)));
}

void HessianMeasurement::check_block(const std::string& name, const ParameterBlock& block) const {
  const DenseSpectrumOptions dense;
  const std::int64_t parameters = block.dimension();
  const int most = std::max(request_.top, request_.bottom);
  check<UsageError>(most <= parameters, "block '{}': {} eigenpairs of {} parameters", name, most,
                    parameters);
  check<UsageError>(!request_.spectrum || parameters <= dense.max_dimension,
                    "block '{}': --spectrum takes at most {} parameters, these are {}; --blocks "
                    "names smaller ones",
                    name, dense.max_dimension, parameters);
}

MeasurementOptions HessianMeasurement::measurement_options() const {
  MeasurementOptions options{.top = request_.top,
                             .bottom = request_.bottom,
                             .trace = request_.trace || request_.xtrace,
                             .xtrace = request_.xtrace,
                             .density = request_.density,
                             .spectrum = request_.spectrum};
  const CurvatureOptions& curvature = config_.curvature;
  options.eigenpairs.max_iterations = curvature.lanczos.max_iterations;
  options.eigenpairs.tolerance = curvature.lanczos.tolerance;
  options.hutchinson = curvature.hutchinson;
  options.densities = curvature.density;
  return options;
}

std::filesystem::path HessianMeasurement::state_of(const std::vector<ImageSet>& sets) const {
  // Whatever the products depend on. The directory's name is its hash: other measurements keep
  // theirs beside it.
  json analysis = to_json(config_);
  analysis.erase("hessian");  // the list that this may be of
  const json key = {
      {"operator", request_.operator_name},
      {"blocks", request_.blocks},
      {"split", request_.split},
      {"quantities",
       {request_.top, request_.bottom, request_.trace, request_.xtrace, request_.density}},
      {"analysis", analysis},
      {"subject", measured_subject(model_, sets)}};
  return std::filesystem::path(request_.state) / state_name(key);
}

json HessianMeasurement::measure(const std::vector<ImageSet>& sets) {
  watch_.begin();
  if (!request_.state.empty()) state_ = state_of(sets);
  watch_.expect_kept(kept_products(state_));
  json section = {{"operator", request_.operator_name},
                  {"dtype", name(config_.dtype)},
                  {"mode", "evaluation"},
                  {"seed", config_.seed}};
  for (const ImageSet& set : sets) {
    if (complete()) section["sets"][set.name] = measure_set(set);
  }
  section["complete"] = complete();
  section["graph_memory"] = graph_memory_json(*memory_);
  // How the top subspaces of two sets of images lie to each other.
  if (request_.top > 0 && tops_.size() == 2 * blocks_.size()) {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      section["principal_cosines"].push_back(
          {{"block", blocks_[i].name},
           {"cosines", principal_cosines(tops_[i], tops_[blocks_.size() + i])}});
    }
  }
  if (complete() && !state_.empty()) remove_state(state_);
  return section;
}

json HessianMeasurement::measure_set(const ImageSet& set) {
  json result = {{"images", image_count(set.batches)}, {"batches", set.batches.size()}};
  for (std::size_t i = 0; i < blocks_.size() && complete(); ++i) {
    BlockMeasurement block = measure_one(set, i);
    result["blocks"].push_back(to_json(block));
    std::vector<ParameterVector>& top = tops_.emplace_back();
    if (!block.top) continue;
    for (EigenPair& pair : block.top->pairs) top.push_back(std::move(pair.vector));
  }
  if (request_.experts && complete()) {
    const Watch watch = [&](const EstimateSoFar& estimate) {
      return watch_.goes_on_after(set.name + ", experts", estimate);
    };
    const std::filesystem::path state =
        state_.empty() ? state_ : state_ / fmt::format("{}-experts", set.name);
    result["experts"] = to_json(expert_curvatures(kind_, model_, set.batches,
                                                  Generator(config_.seed).fork(kExpertVectors),
                                                  measurement_options(), watch, state, memory_));
    const std::vector<double> margins = choice_margins(model_, set.batches);
    if (!margins.empty()) result["boundary_mass"] = to_json(boundary_mass(margins));
  }
  return result;
}

BlockMeasurement HessianMeasurement::measure_one(const ImageSet& set, std::size_t number) {
  const NamedBlock& named = blocks_[number];
  Operator a = block_curvature(kind_, model_, set.batches, named.block, memory_);
  if (!state_.empty()) {
    a = std::make_shared<ProductJournal>(a, products_of(state_, set.name, number));
  }
  return measure_block(*a, named.name, named.block.by_itself(), block_vectors(config_, number),
                       measurement_options(), [&](const EstimateSoFar& estimate) {
                         return watch_.goes_on_after(set.name + ", " + named.name, estimate);
                       });
}

}  // namespace switchyard

#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/curvature/block_measurement.h"
#include "analysis/curvature/curvature_kind.h"
#include "app/analysis_config.h"
#include "app/hessian_request.h"
#include "app/measured_subject.h"
#include "app/measurement_watch.h"
#include "app/progress.h"
#include "app/signals.h"

namespace switchyard {

/// Measures blocks of parameters on sets of images, product by product until all is done, the time
/// is over or the user stops it. With a state directory every product is kept there, so that the
/// same measurement goes on where it stopped, bit for bit; what was completed is removed.
class HessianMeasurement {
 public:
  /// UsageError for a glob that matches nothing, more eigenpairs than parameters, a dense spectrum
  /// that is not float64 or too large: before anything is computed.
  HessianMeasurement(Classifier& model, HessianRequest request, const AnalysisConfig& config,
                     Progress& progress, const StopSignal& stop);

  /// The `hessian` object of a results file. Error where the time was over before the first
  /// product.
  nlohmann::json measure(const std::vector<ImageSet>& sets);
  bool complete() const { return !watch_.stopped(); }
  /// The directory below the request's `state` that keeps this measurement's products.
  std::filesystem::path state_of(const std::vector<ImageSet>& sets) const;
  int products() const { return watch_.products(); }

 private:
  nlohmann::json measure_set(const ImageSet& set);
  BlockMeasurement measure_one(const ImageSet& set, std::size_t number);
  MeasurementOptions measurement_options() const;
  void check_request() const;
  void check_block(const std::string& name, const ParameterBlock& block) const;

  Classifier& model_;
  HessianRequest request_;
  const AnalysisConfig& config_;
  CurvatureKind kind_;
  std::vector<NamedBlock> blocks_;
  std::shared_ptr<GraphMemory> memory_;
  MeasurementWatch watch_;
  std::filesystem::path state_;                     // of this measurement; empty: none
  std::vector<std::vector<ParameterVector>> tops_;  // of each set's blocks, set by set
};

/// Where such a directory has the products with one of the request's blocks on a set.
std::filesystem::path products_of(const std::filesystem::path& state, const std::string& set,
                                  std::size_t block);
/// The random vectors of a request's block, the same for every set of images.
Generator block_vectors(const AnalysisConfig& config, std::size_t block);

/// The measurement as lines for people.
std::string hessian_text(const nlohmann::json& section);
/// "± 0.3 (probes 0.2, iteration 0.001, images 0.1)": half-widths of 95 % intervals, out of the
/// `error` of an estimate.
std::string error_bars_text(const nlohmann::json& error);

}  // namespace switchyard

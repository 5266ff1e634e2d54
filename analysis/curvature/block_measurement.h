#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/curvature/dense_spectrum.h"
#include "analysis/curvature/density.h"
#include "analysis/curvature/eigenpairs.h"
#include "analysis/curvature/parameter_block.h"
#include "analysis/curvature/xtrace.h"

namespace switchyard {

/// What to measure of an operator, and how.
struct MeasurementOptions {
  int top = 0;     ///< largest eigenpairs
  int bottom = 0;  ///< smallest eigenpairs
  bool trace = false;
  bool xtrace = false;  ///< XTrace in place of Hutchinson: no shares of the trace
  bool density = false;
  bool spectrum = false;  ///< dense, float64
  EigenpairOptions eigenpairs = {};
  HutchinsonOptions hutchinson = {};
  DensityOptions densities = {};
};

/// What one module of a block has of the trace and of the top eigenvector.
struct ModuleShare {
  std::string module;
  std::int64_t parameters = 0;
  std::optional<double> trace = {};            ///< of the operator's block on it
  StandardError trace_error = {};              ///< over probes
  std::optional<double> top_eigenvector = {};  ///< squared length of the unit vector's part
};

/// Where an estimator stood after each of its products.
struct Convergence {
  std::vector<int> products;
  std::vector<double> value, error;  ///< as EstimateSoFar has them
};

/// The curvature of one block of parameters. What a watch left out is missing.
struct BlockMeasurement {
  std::string name;
  std::int64_t parameters = 0;
  std::optional<EigenpairResult> top, bottom;
  std::optional<TraceEstimate> trace;
  std::optional<SpectralDensity> density;
  std::optional<DenseSpectrum> spectrum;
  std::vector<ModuleShare> shares;  ///< modules of `block`, where there are several
  /// How the largest eigenvalue (until the first pairs are found) and the trace settled.
  Convergence top_convergence, trace_convergence;
};

/// What a block's generator is forked to for the first vector of the search for the largest
/// eigenpairs, and for the probes of the trace. The summary of a subset (subset_curvature.h) starts
/// from the same ones, so that a journal of products serves both.
Generator first_start(const Generator& random);
Generator trace_probes(const Generator& random);

/// Measures `a`, whose vectors are those of `block`. The random vectors of a quantity do not depend
/// on what else is measured. The density's first vector is that of the search for the largest
/// eigenpairs, whose products are then the same. `watch` ends one quantity after the other:
/// where it has returned false, no further one begins.
BlockMeasurement measure_block(SymmetricOperator& a, std::string name, const ParameterBlock& block,
                               Generator random, MeasurementOptions options, const Watch& watch);

nlohmann::json to_json(const BlockMeasurement& measurement);

}  // namespace switchyard

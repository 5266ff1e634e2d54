#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/curvature/algebra.h"
#include "analysis/curvature/error_bars.h"
#include "analysis/curvature/watch.h"

namespace switchyard {

struct DenseSpectrumOptions {
  int block = 64;                     ///< columns for each call of the operator
  std::int64_t max_dimension = 8192;  ///< a matrix of 512 MiB
  Watch watch = {};
};

/// The whole spectrum of a small operator, by its dense matrix in float64.
struct DenseSpectrum {
  std::vector<double> values;  ///< ascending
  double trace = 0.0;          ///< of the matrix
  /// ‖A - Aᵀ‖ / ‖A‖ in Frobenius norms: what rounding in the products did.
  double asymmetry = 0.0;
  ParameterVector top;      ///< unit eigenvector of the largest eigenvalue
  ErrorBars largest_error;  ///< no probes and no iterations: the data's alone
  ErrorBars trace_error;
};

/// Column by column, then Eigen's solver for symmetric matrices. No estimator: errors are those of
/// rounding, some 1e-13 of the greatest eigenvalue, and the data's. Error for an operator that is
/// not float64, of more dimensions than allowed, or whose products are not finite; for a watch that
/// ended it.
DenseSpectrum dense_spectrum(SymmetricOperator& a, DenseSpectrumOptions options = {});

/// {"values", "trace", "asymmetry", "error": {"largest", "trace"}}.
nlohmann::json to_json(const DenseSpectrum& spectrum);

}  // namespace switchyard

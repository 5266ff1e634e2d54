#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Saves parameter values and puts them back, bit for bit: by restore(), or else when it goes out
/// of scope, by an exception or not.
class ParameterGuard {
 public:
  explicit ParameterGuard(std::span<const Tensor> parameters);
  /// Never throws: where the device fails, the error that says so is already on its way.
  ~ParameterGuard();
  ParameterGuard(const ParameterGuard&) = delete;
  ParameterGuard& operator=(const ParameterGuard&) = delete;

  /// Sets the parameters to saved + alpha·direction.
  void move_to(double alpha, std::span<const Tensor> direction);
  /// Puts the values back. Errors: the device's.
  void restore();

 private:
  std::vector<Tensor> parameters_;  // share storage with the caller's
  std::vector<Tensor> saved_;
  bool moved_ = false;
};

/// `points` steps from -limit to limit, 0 exactly among them. UsageError: an even or non-positive
/// number of points, a limit that is not positive.
std::vector<double> symmetric_alphas(double limit, int points);

/// The loss at θ + α·d for each α.
std::vector<double> loss_along(std::span<const Tensor> parameters,
                               std::span<const Tensor> direction, std::span<const double> alphas,
                               const std::function<double()>& loss);

enum class Normalisation {
  kNone,   ///< Gaussian direction scaled to ‖d‖ = 1
  kFilter  ///< each filter of d scaled to its filter's norm in θ; d = 0 for biases and batch norm
};
/// "none", "filter", as in results files.
std::string_view name(Normalisation normalisation);

/// A random direction at the present parameter values. Filter normalisation is that of Li et al.,
/// "Visualizing the Loss Landscape of Neural Nets", 2018, sec. 4, as they publish it: a filter is
/// what feeds one output channel or unit, a row of axis 0; parameters with fewer than two axes
/// (biases, batch-norm scales and shifts) do not move.
std::vector<Tensor> random_direction(std::span<const Tensor> parameters,
                                     Normalisation normalisation, Generator random);

struct PerturbationOptions {
  double eigenvector_limit = 1.0;  ///< largest |α| along the unit eigenvector
  double random_limit = 1.0;       ///< largest |α| along random directions
  int points = 21;                 ///< per curve, odd
  int random_directions = 3;       ///< per normalisation
};

/// Losses of the train and test subsets along one direction; arrays of one length.
struct PerturbationCurve {
  std::vector<double> alphas, train, test;
};

struct RandomPerturbation {
  Normalisation normalisation = Normalisation::kNone;
  std::uint64_t seed = 0;
  PerturbationCurve curve;
};

struct PerturbationResult {
  double eigenvalue = 0.0;
  std::optional<PerturbationCurve> eigenvector;
  std::vector<RandomPerturbation> random;
};

/// The losses that perturbation() evaluates: means at the parameters' present values.
struct SubsetLosses {
  std::function<double()> train, test;
};

/// Loss along `eigenvector` (unit, of the train subset's Hessian; empty to leave it out) and along
/// random directions seeded 1, 2, ... The parameters come back bit for bit, also on an exception.
PerturbationResult perturbation(std::span<const Tensor> parameters, const SubsetLosses& losses,
                                double eigenvalue, std::span<const Tensor> eigenvector,
                                PerturbationOptions options = {});

/// The `perturbation` object of a results file.
nlohmann::json to_json(const PerturbationResult& result);

}  // namespace switchyard

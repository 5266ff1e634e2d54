#include "analysis/perturbation.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

/// Scales each row of axis 0 of `d` to the norm of the same row of `w`; a row of zeros stays zeros.
template <class T>
void scale_rows(Tensor& d, const Tensor& w) {
  const std::int64_t rows = w.size(0);
  const std::int64_t width = rows > 0 ? w.numel() / rows : 0;
  const auto row_norm = [width](const T* row) {
    double squares = 0.0;
    for (std::int64_t i = 0; i < width; ++i) {
      squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
    }
    return std::sqrt(squares);
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    T* row = d.data<T>() + r * width;
    const double length = row_norm(row);
    const double ratio = length > 0.0 ? row_norm(w.data<T>() + r * width) / length : 0.0;
    for (std::int64_t i = 0; i < width; ++i) row[i] = static_cast<T>(row[i] * ratio);
  }
}

PerturbationCurve curve_along(std::span<const Tensor> parameters, const SubsetLosses& losses,
                              std::span<const Tensor> direction, std::vector<double> alphas) {
  PerturbationCurve curve;
  curve.train = loss_along(parameters, direction, alphas, losses.train);
  curve.test = loss_along(parameters, direction, alphas, losses.test);
  curve.alphas = std::move(alphas);
  return curve;
}

nlohmann::json curve_to_json(const PerturbationCurve& curve) {
  return {{"alphas", curve.alphas}, {"train", curve.train}, {"test", curve.test}};
}

}  // namespace

ParameterGuard::ParameterGuard(std::span<const Tensor> parameters)
    : parameters_(parameters.begin(), parameters.end()), saved_(copy_of(parameters)) {}

ParameterGuard::~ParameterGuard() {
  if (!moved_) return;
  try {
    restore();
  } catch (const std::exception&) {  // copying failed, hence so did what ends the scope
  }
}

void ParameterGuard::move_to(double alpha, std::span<const Tensor> direction) {
  restore();
  moved_ = true;
  axpy(alpha, direction, parameters_);
}

void ParameterGuard::restore() {
  for (std::size_t i = 0; i < saved_.size(); ++i) parameters_[i].copy_from(saved_[i]);
  moved_ = false;
}

std::vector<double> symmetric_alphas(double limit, int points) {
  check<UsageError>(points >= 1 && points % 2 == 1,
                    "[perturbation] needs an odd number of points, so that 0 is one, got {}",
                    points);
  check<UsageError>(limit > 0.0 && std::isfinite(limit),
                    "[perturbation] needs a positive limit, got {}", limit);
  std::vector<double> alphas;
  const int half = points / 2;
  for (int i = -half; i <= half; ++i) alphas.push_back(i == 0 ? 0.0 : limit * i / half);
  return alphas;
}

std::vector<double> loss_along(std::span<const Tensor> parameters,
                               std::span<const Tensor> direction, std::span<const double> alphas,
                               const std::function<double()>& loss) {
  ParameterGuard guard(parameters);
  std::vector<double> losses;
  for (double alpha : alphas) {
    guard.move_to(alpha, direction);
    losses.push_back(loss());
  }
  guard.restore();
  return losses;
}

std::string_view name(Normalisation normalisation) {
  return normalisation == Normalisation::kNone ? "none" : "filter";
}

std::vector<Tensor> random_direction(std::span<const Tensor> parameters,
                                     Normalisation normalisation, Generator random) {
  std::vector<Tensor> d = random_normal_like(parameters, random);
  if (normalisation == Normalisation::kNone) {
    normalise(d);
    return d;
  }
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (parameters[i].rank() < 2) {
      d[i].fill(0.0);
    } else {
      const Device device = d[i].device();  // rows are scaled on the host
      d[i] = d[i].to(Device::kCpu);
      dispatch_floating(d[i].dtype(), "random_direction",
                        [&]<class T>() { scale_rows<T>(d[i], parameters[i].to(Device::kCpu)); });
      d[i] = d[i].to(device);
    }
  }
  return d;
}

PerturbationResult perturbation(std::span<const Tensor> parameters, const SubsetLosses& losses,
                                double eigenvalue, std::span<const Tensor> eigenvector,
                                PerturbationOptions options) {
  check<UsageError>(options.random_directions >= 0,
                    "[perturbation] needs no negative number of directions, got {}",
                    options.random_directions);
  PerturbationResult result;
  result.eigenvalue = eigenvalue;
  if (!eigenvector.empty()) {
    result.eigenvector = curve_along(parameters, losses, eigenvector,
                                     symmetric_alphas(options.eigenvector_limit, options.points));
  }
  for (Normalisation normalisation : {Normalisation::kNone, Normalisation::kFilter}) {
    for (int i = 1; i <= options.random_directions; ++i) {
      const auto seed = static_cast<std::uint64_t>(i);
      const std::vector<Tensor> d = random_direction(parameters, normalisation, Generator(seed));
      result.random.push_back(
          {normalisation, seed,
           curve_along(parameters, losses, d,
                       symmetric_alphas(options.random_limit, options.points))});
    }
  }
  return result;
}

nlohmann::json to_json(const PerturbationResult& result) {
  nlohmann::json json = {{"random", nlohmann::json::array()}};
  if (result.eigenvector) {
    json["eigenvector"] = curve_to_json(*result.eigenvector);
    json["eigenvector"]["eigenvalue"] = result.eigenvalue;
  }
  for (const RandomPerturbation& random : result.random) {
    nlohmann::json entry = curve_to_json(random.curve);
    entry["normalisation"] = name(random.normalisation);
    entry["seed"] = random.seed;
    json["random"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace switchyard

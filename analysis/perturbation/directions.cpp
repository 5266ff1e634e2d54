#include "analysis/perturbation/directions.h"

#include <cmath>

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

}  // namespace

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

std::string_view name(Normalisation normalisation) {
  return normalisation == Normalisation::kNone ? "none" : "filter";
}

ParameterVector random_direction(std::span<const Tensor> parameters, Normalisation normalisation,
                                 Generator random) {
  ParameterVector d = random_normal_like(parameters, random);
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

ParameterVector uphill(std::span<const Tensor> d, std::span<const Tensor> gradient) {
  ParameterVector direction = copy_of(d);
  if (dot(d, gradient) < 0.0) scale(direction, -1.0);
  return direction;
}

ParameterVector orthogonal_part(std::span<const Tensor> d, std::span<const Tensor> q) {
  constexpr double kRounding = 1e-6;  // float32's: what is left is then no direction of d
  const double length = norm(d);
  ParameterVector rest = copy_of(d);
  axpy(-dot(d, q), q, rest);
  if (!(norm(rest) > kRounding * length)) return {};
  normalise(rest);
  return rest;
}

}  // namespace switchyard

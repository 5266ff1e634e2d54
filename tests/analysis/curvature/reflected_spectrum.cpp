#include "tests/analysis/curvature/reflected_spectrum.h"

namespace switchyard {
namespace {

/// x - 2 u (uᵀ x).
Eigen::VectorXd reflected(const Eigen::VectorXd& x) { return x.array() - 2.0 * x.mean(); }

}  // namespace

ReflectedSpectrum::ReflectedSpectrum(Eigen::VectorXd values)
    : values_(std::move(values)), like_{Tensor::empty({values_.size()}, DType::kFloat64)} {}

Products ReflectedSpectrum::apply_block(std::span<const ParameterVector> v) {
  Products result;
  for (const ParameterVector& vector : v) {
    const Eigen::Map<const Eigen::VectorXd> x(vector[0].data<double>(), values_.size());
    const Eigen::VectorXd y = reflected(values_.cwiseProduct(reflected(x)));
    result.vectors.push_back(
        {Tensor::from({y.size()}, std::span(y.data(), static_cast<std::size_t>(y.size())))});
  }
  return result;
}

double ReflectedSpectrum::diagonal(Eigen::Index i) const {
  // Row i of the reflection is e_i - 2/n.
  const double share = 2.0 / static_cast<double>(values_.size());
  return share * share * values_.sum() + (1.0 - 2.0 * share) * values_[i];
}

}  // namespace switchyard

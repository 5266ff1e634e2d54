#include "analysis/curvature/dense_spectrum.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "analysis/curvature/eigenpairs.h"
#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using Eigen::Index;

/// Calls f(tensor, begin) for each tensor with the place of its first element in the whole vector.
template <class Tensors, class F>
void for_each_tensor(Tensors& vector, F f) {
  Index begin = 0;
  for (auto& tensor : vector) {
    f(tensor, begin);
    begin += tensor.numel();
  }
}

/// Writes a vector of the operator into host memory.
void flatten(const ParameterVector& vector, double* out) {
  for_each_tensor(vector, [out](const Tensor& tensor, Index begin) {
    const std::vector<double> values = tensor.to_doubles();
    std::copy(values.begin(), values.end(), out + begin);
  });
}

ParameterVector unflatten(const double* values, std::span<const Tensor> like) {
  ParameterVector vector;
  for_each_tensor(like, [&](const Tensor& tensor, Index begin) {
    const std::span<const double> part(values + begin, static_cast<std::size_t>(tensor.numel()));
    vector.push_back(Tensor::from(tensor.shape(), part, tensor.device()));
  });
  return vector;
}

ParameterVector unit_vector(Index at, Index n, std::span<const Tensor> like) {
  Eigen::VectorXd unit = Eigen::VectorXd::Unit(n, at);
  return unflatten(unit.data(), like);
}

}  // namespace

DenseSpectrum dense_spectrum(SymmetricOperator& a, DenseSpectrumOptions options) {
  const Index n = dimension(a.like());
  for (const Tensor& x : a.like()) {
    check<UsageError>(x.dtype() == DType::kFloat64, "[dense spectrum] needs float64, got {}",
                      name(x.dtype()));
  }
  check<UsageError>(n <= options.max_dimension,
                    "[dense spectrum] {} parameters, at most {} fit a dense matrix", n,
                    options.max_dimension);
  check(n >= 1, "[dense spectrum] the operator has no dimension");
  Eigen::MatrixXd matrix(n, n);
  std::vector<double> group_traces(a.group_weights().size());
  for (Index begin = 0; begin < n; begin += options.block) {
    const Index end = std::min<Index>(n, begin + options.block);
    std::vector<ParameterVector> units;
    for (Index i = begin; i < end; ++i) units.push_back(unit_vector(i, n, a.like()));
    const Products products = a.apply_block(units);
    for (Index i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i - begin);
      flatten(products.vectors[at], matrix.col(i).data());
      for (std::size_t g = 0; g < group_traces.size(); ++g) {
        group_traces[g] += products.forms[at][g];
      }
    }
    check(goes_on(options.watch,
                  {"dense matrix", matrix.diagonal().head(end).sum(), 0.0, static_cast<int>(end)}),
          "[dense spectrum] stopped after {} of {} columns", end, n);
  }
  check(matrix.allFinite(), "[dense spectrum] a product is not finite");
  DenseSpectrum result;
  const double norm = matrix.stableNorm();
  if (norm > 0.0) result.asymmetry = (matrix - matrix.transpose()).stableNorm() / norm;
  result.trace = matrix.trace();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(0.5 * (matrix + matrix.transpose()),
                                                              Eigen::EigenvaluesOnly);
  check(solver.info() == Eigen::Success, "[dense spectrum] the eigenvalues did not converge");
  result.values.assign(solver.eigenvalues().begin(), solver.eigenvalues().end());
  // All eigenvectors would take five times as long; the top one takes a few more products.
  EigenPair top = eigenpairs(a, Generator(1), {.max_iterations = 200, .tolerance = 1e-10}).pairs[0];
  result.top = std::move(top.vector);
  result.largest_error.data = top.error.data;
  result.trace_error.data =
      group_traces.empty() ? StandardError::unknown() : data_error(a.group_weights(), group_traces);
  return result;
}

nlohmann::json to_json(const DenseSpectrum& spectrum) {
  return {
      {"values", spectrum.values},
      {"trace", spectrum.trace},
      {"asymmetry", spectrum.asymmetry},
      {"error",
       {{"largest", to_json(spectrum.largest_error)}, {"trace", to_json(spectrum.trace_error)}}}};
}

}  // namespace switchyard

#include "analysis/curvature/diagonal.h"

#include <cmath>
#include <limits>

#include "analysis/curvature/unit.h"
#include "analysis/curvature/vectors.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/ops/elementwise.h"

namespace switchyard {

DiagonalEstimate diagonal(SymmetricOperator& a, Generator random, int samples, const Watch& watch) {
  check<UsageError>(samples >= 1, "[diagonal] needs at least one sample, got {}", samples);
  const NoGrad no_grad;
  DiagonalEstimate result;
  // Welford's running mean, and the sum of squares about it, tensor by tensor in float64 and in a
  // unit that keeps the squares within its range.
  double unit = 1.0;
  std::vector<Tensor> mean, squares;
  for (const Tensor& x : a.like()) {
    mean.push_back(Tensor::zeros(x.shape(), DType::kFloat64, x.device()));
    squares.push_back(zeros_like(mean.back()));
  }
  bool stopped = false;
  while (!stopped && result.products < samples) {
    const ParameterVector z = random_sign_like(a.like(), random);
    const ParameterVector az = a.apply(z);
    const double total = dot(z, az);
    if (result.products == 0) unit = unit_of(az);
    check(std::isfinite(total), "[diagonal] product {} is not finite", result.products + 1);
    ++result.products;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const Tensor sample = z[i].to(DType::kFloat64) * (az[i].to(DType::kFloat64) / unit);
      const Tensor before = sample - mean[i];
      mean[i] = mean[i] + before / static_cast<double>(result.products);
      squares[i] = squares[i] + before * (sample - mean[i]);
    }
    stopped = !goes_on(
        watch, {"diagonal", total, std::numeric_limits<double>::quiet_NaN(), result.products});
  }
  const auto n = static_cast<double>(result.products);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const DType dtype = a.like()[i].dtype();
    result.mean.push_back((unit * mean[i]).to(dtype));
    result.standard_error.push_back((unit * sqrt(squares[i] / ((n - 1.0) * n))).to(dtype));
  }
  return result;
}

}  // namespace switchyard

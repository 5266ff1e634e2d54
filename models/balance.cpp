#include "models/balance.h"

#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/matmul.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

constexpr double kEpsilon = 1e-8;  // of the published code, in the same places
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Biased variance of x [E] over squared (mean + shift): the deviation is never formed, so that
/// perfect balance has a derivative (zero).
Tensor cv2(const Tensor& x, double shift) {
  const Tensor m = mean(x);
  const Tensor variance = mean(square(x - m));
  return variance / square(shift == 0.0 ? m : m + shift);
}

/// Column `column` of x [N, M] as [N, 1]: a product with a unit vector, which moves numbers
/// exactly.
Tensor column_of(const Tensor& x, std::int64_t column) {
  std::vector<double> unit(static_cast<std::size_t>(x.size(1)), 0.0);
  unit[static_cast<std::size_t>(column)] = 1.0;
  return matmul(x, Tensor::from({x.size(1), 1}, unit).to(x.dtype()).to(x.device()));
}

}  // namespace

Tensor importance_cv2(const Tensor& probabilities) {
  return cv2(sum(probabilities, {0}) + kEpsilon, 0.0);
}

Tensor load_cv2(const Tensor& load) { return cv2(load, kEpsilon); }

Tensor smooth_load(const Tensor& clean, const Tensor& noisy, const Tensor& deviation,
                   std::int64_t k) {
  const std::int64_t experts = clean.size(1);
  if (k == experts) {
    return Tensor::full({experts}, static_cast<double>(clean.size(0)), clean.dtype(),
                        clean.device());
  }
  const Tensor best =
      gather(noisy, top_k(noisy, k + 1), Indices::kTrusted);  // [N, k+1], descending
  const Tensor chosen = top_k(noisy, k);
  const Tensor ones = Tensor::full(chosen.shape(), 1.0, clean.dtype(), clean.device());
  const Tensor inside = scatter_add(ones, chosen, experts, Indices::kTrusted);  // 0 or 1
  // The k-th largest of the others: the (k+1)-th largest of all for a chosen expert, else the k-th.
  const Tensor threshold =
      inside * column_of(best, k) + affine(inside, -1.0, 1.0) * column_of(best, k - 1);
  return sum(normal_cdf((clean - threshold) / deviation), {0});
}

Tensor assignment_counts(const Tensor& indices, std::int64_t experts, DType dtype) {
  const Tensor ones = Tensor::full(indices.shape(), 1.0, dtype, indices.device());
  return sum(scatter_add(ones, indices, experts), {0});  // every count is exact below 2²⁴
}

Tensor uniform_kl(const Tensor& probabilities) {
  const auto experts = static_cast<double>(probabilities.size(1));
  const Tensor p = clamp(mean(probabilities, {0}), kEpsilon, kInfinity);
  const double u = 1.0 / experts;
  return sum(log(p) * -u + u * std::log(u)) / experts;
}

Tensor switch_balance(const Tensor& probabilities, const Tensor& indices) {
  const std::int64_t experts = probabilities.size(1);
  const Tensor f = assignment_counts(indices, experts, probabilities.dtype()) /
                   static_cast<double>(indices.numel());
  return dot(f, mean(probabilities, {0})) * static_cast<double>(experts);
}

Tensor router_z(const Tensor& logits) {
  // log Σ exp x = x_e - log_softmax(x)_e for every e; the mean over e is the differentiable way to
  // take any of them.
  return mean(square(mean(logits - log_softmax(logits), {1})));
}

}  // namespace switchyard

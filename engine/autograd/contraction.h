#pragma once

#include <span>
#include <vector>

#include "engine/autograd/grad.h"
#include "engine/autograd/gradcheck.h"
#include "engine/core/random.h"

namespace switchyard {

/// φ = Σ <output, weight> over pairs of tensors. An output without history is a constant.
struct Contracted {
  std::vector<Tensor> outputs, weights;

  double value() const;
  /// ∂φ/∂x for each x; zeros where φ does not depend on it.
  std::vector<Tensor> gradient(std::span<const Tensor> x, GradOptions options) const;
};

/// φ(x, c) = <f(x), c>, then order - 1 times φ(x, c) := <∂φ/∂x, r> with random r: a scalar whose
/// gradient is right only if derivatives of f up to `order` are. What gradcheck() and explain()
/// look at.
class Contraction {
 public:
  /// `f` must outlive it. Draws the r from `random`.
  Contraction(const TensorFunction& f, std::span<const Tensor> inputs, int order,
              Generator& random);

  /// `point` is x followed by c, leaves that require gradients.
  Contracted operator()(std::span<const Tensor> point) const;

 private:
  const TensorFunction& f_;
  std::size_t inputs_;
  std::vector<std::vector<Tensor>> weights_;
};

/// Standard normal numbers of x's shape, dtype and device.
Tensor random_like(const Tensor& x, Generator& random);
/// The same elements, as leaves.
std::vector<Tensor> as_leaves(std::span<const Tensor> tensors);
/// Σ a·b
double inner_product(std::span<const double> a, std::span<const double> b);
/// ‖a - b‖ / max(‖b‖, 0.01)
double relative_error(std::span<const double> a, std::span<const double> b);

/// The derivative at 0 of what `at` returns, by the five-point central difference.
template <class At>
double five_point_difference(const At& at, double step) {
  return (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
}

}  // namespace switchyard

#pragma once

#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

// A point or a direction in parameter space is one tensor per parameter, without history. Scalars
// are float64 whatever the tensors' dtype: dot products of 10⁷ float32 products accumulate in
// float64, in a fixed order that does not depend on the thread count. All tensors of a call are on
// one device. Errors: lists of different length, shapes, dtypes or devices that differ.

/// Σ over all elements of a·b.
double dot(std::span<const Tensor> a, std::span<const Tensor> b);
/// √dot(x, x), also where the squares leave the range of a double.
double norm(std::span<const Tensor> x);
/// y += alpha·x, in place.
void axpy(double alpha, std::span<const Tensor> x, std::span<Tensor> y);
/// x *= alpha, in place.
void scale(std::span<Tensor> x, double alpha);
/// x /= divisor, in place.
void divide(std::span<Tensor> x, double divisor);
/// Scales x to norm 1 and returns the norm that it had. Error when it is 0 or not finite.
double normalise(std::span<Tensor> x);

std::vector<Tensor> copy_of(std::span<const Tensor> x);
std::vector<Tensor> zeros_like(std::span<const Tensor> x);
/// Independent standard normal elements with the shapes and dtypes of `like`.
std::vector<Tensor> random_normal_like(std::span<const Tensor> like, Generator& random);
/// Independent ±1 elements (Rademacher).
std::vector<Tensor> random_sign_like(std::span<const Tensor> like, Generator& random);

/// Total number of elements.
std::int64_t dimension(std::span<const Tensor> x);

}  // namespace switchyard

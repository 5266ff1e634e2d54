#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

// sum_to and broadcast_to are each other's transpose. Sums run in a fixed order that does not
// depend on the thread count; float32 sums accumulate in blocks (pairwise) so that error grows
// slowly.

/// Sums the axes along which `shape` has size 1 or is missing. Error when x does not broadcast from
/// `shape`.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// Repeats x along axes of size 1 or missing. Error when x does not broadcast to `shape`.
Tensor broadcast_to(const Tensor& x, const Shape& shape);

/// Sum of all elements, a scalar.
Tensor sum(const Tensor& x);
/// Mean of all elements, a scalar. Error on an empty tensor.
Tensor mean(const Tensor& x);
/// Sum over `axes` (negative count from the end); kept as size 1 if `keep`.
Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep = false);
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep = false);
/// Unbiased (N-1) or biased variance over `axes`, composed of the above.
Tensor variance(const Tensor& x, const std::vector<int>& axes, bool unbiased, bool keep = false);

/// Σ a·b over all elements, a scalar.
Tensor dot(const Tensor& a, const Tensor& b);

}  // namespace switchyard

#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

// Each of the two is the transpose of the other, and so its derivative.

/// [N, H, W, C] -> [N, C], mean over H and W. Errors: another rank, no pixels.
Tensor global_average_pool(const Tensor& x);
/// [N, C] -> [N, height, width, C], y / (height · width) at every pixel. Errors: another rank, no
/// pixels.
Tensor global_average_unpool(const Tensor& y, std::int64_t height, std::int64_t width);

}  // namespace switchyard

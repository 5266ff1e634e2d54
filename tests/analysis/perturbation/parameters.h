#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// θ as a "convolution" [3, 2, 2, 2], a "linear weight" [2, 5] with a row of zeros, and a bias [4]
/// with a negative zero and a denormal number, whose bits are easily lost.
std::vector<Tensor> make_parameters(DType dtype);

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

}  // namespace switchyard

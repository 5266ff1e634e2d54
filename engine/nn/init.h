#pragma once

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard::nn {

// These functions draw initial values of parameters. Numbers are drawn in float32 and converted, so
// that models of both dtypes built from one generator hold the same values.

/// PyTorch's default for weights and biases of linear and convolution layers: uniform with bound
/// 1/sqrt(fan_in), which is what kaiming_uniform_(a = sqrt 5) comes to. `fan_in` is the number of
/// inputs of one output unit. Error unless fan_in >= 1.
Tensor default_init(const Shape& shape, std::int64_t fan_in, DType dtype, Generator& random);

/// Normal with deviation sqrt(2 / fan_out): kaiming_normal_(mode = fan_out, relu), which
/// torchvision gives the convolutions of its ResNets (He et al., 2015). Error unless fan_out >= 1.
Tensor kaiming_normal_init(const Shape& shape, std::int64_t fan_out, DType dtype,
                           Generator& random);

}  // namespace switchyard::nn

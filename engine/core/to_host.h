#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// Copies of several tensors of one device on the host, without history, with one wait for all of
/// them; the tensors themselves where they are there already. Undefined ones stay undefined. Error
/// where operations before it found something wrong on the device (engine/core/fault.h).
std::vector<Tensor> to_host(std::span<const Tensor> tensors);

}  // namespace switchyard

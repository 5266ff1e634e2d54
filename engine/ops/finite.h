#pragma once

#include <span>
#include <string_view>

#include "engine/core/tensor.h"

namespace switchyard {

/// Checks that no tensor holds NaN or infinity; all of one floating dtype and device, one kernel
/// for all. On the CPU Error "[operation] tensor 3 is not finite" at once. On other devices nobody
/// waits: the error comes with the next copy to the host, and until then no parameter is updated
/// (engine/core/fault.h).
void require_finite(std::string_view operation, std::span<const Tensor> tensors);

}  // namespace switchyard

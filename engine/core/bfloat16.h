#pragma once

#include "engine/core/dtype.h"
#include "kernels/common/bfloat16.h"

namespace switchyard {

/// The C++ type of the elements of DType::kBFloat16: storage alone. What is stored in it is
/// computed in float32 and rounded once (docs/design/bfloat16.md).
using kernels::BFloat16;

template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBFloat16;
};

/// The dtype of sums over elements of `dtype`, of statistics and of an optimiser's copies: float32
/// for bfloat16, else `dtype` itself.
inline DType sum_dtype(DType dtype) { return dtype == DType::kBFloat16 ? DType::kFloat32 : dtype; }

}  // namespace switchyard

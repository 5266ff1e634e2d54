#pragma once

#include "kernels/common/bfloat16.h"
#include "kernels/common/convert.h"
#include "kernels/common/host_device.h"

namespace switchyard::kernels {

/// x in the type that arithmetic on it happens in, which is exact: kernels read a T with this, and
/// round what they write with convert_element<T> (convert.h).
template <class T>
SWITCHYARD_HOST_DEVICE inline ResultOf<T> widen(T x) {
  return static_cast<ResultOf<T>>(x);
}

}  // namespace switchyard::kernels

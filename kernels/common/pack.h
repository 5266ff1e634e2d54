#pragma once

#include "kernels/common/cuda.h"

namespace switchyard::kernels {

/// Neighbouring elements that move in one instruction, 16 bytes at most; their address must be a
/// multiple of their size.
template <class T, int kElements>
struct alignas(kElements * sizeof(T)) Pack {
  static constexpr int kCount = kElements;
  T value[kCount];
};

template <int kCount, class T>
__device__ __forceinline__ Pack<T, kCount> load_pack(const T* address) {
  return *reinterpret_cast<const Pack<T, kCount>*>(address);
}
template <class T, int kCount>
__device__ __forceinline__ void store_pack(T* address, const Pack<T, kCount>& pack) {
  *reinterpret_cast<Pack<T, kCount>*>(address) = pack;
}

}  // namespace switchyard::kernels

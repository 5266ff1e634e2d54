#pragma once

#include <cstdint>

#include "kernels/common/cuda.h"

namespace switchyard::kernels {

/// 16 bytes that move in one instruction: 4 float, 2 double or 8 bfloat16.
template <class T>
struct alignas(16) Wide {
  static constexpr int kCount = static_cast<int>(16 / sizeof(T));
  T value[kCount];
};

/// Returns whether an address may be read 16 bytes at a time.
SWITCHYARD_HOST_DEVICE inline bool is_wide_aligned(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
}

/// One 128-bit load or store; `address` must be 16-byte aligned.
template <class T>
__device__ __forceinline__ Wide<T> load128(const T* address) {
  return *reinterpret_cast<const Wide<T>*>(address);
}
template <class T>
__device__ __forceinline__ void store128(T* address, const Wide<T>& wide) {
  *reinterpret_cast<Wide<T>*>(address) = wide;
}

}  // namespace switchyard::kernels

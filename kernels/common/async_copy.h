#pragma once

#include "kernels/common/cuda.h"
#include "kernels/common/wide.h"

// These functions make copies from global to shared memory that do not pass through registers and
// run while the thread computes (PTX ISA, "cp.async"; compute capability 8.0). On the host they are
// plain copies.

namespace switchyard::kernels {

/// Starts copying 16 bytes; zeros where `global` is null. Both addresses must be 16-byte aligned.
/// The bytes are there after copy_async_wait() in this thread, and a barrier in the others.
template <class T>
__device__ __forceinline__ void copy_async_16(T* shared, const T* global) {
#ifdef __CUDACC__
  const unsigned bytes = global == nullptr ? 0U : 16U;  // the rest of the 16 is filled with zeros
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(shared))),
               "l"(global), "r"(bytes)
               : "memory");
#else
  store128(shared, global == nullptr ? Wide<T>{} : load128(global));
#endif
}

/// Waits for all copies that this thread started.
__device__ __forceinline__ void copy_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

}  // namespace switchyard::kernels

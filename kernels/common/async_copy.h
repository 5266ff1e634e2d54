#pragma once

#include "kernels/common/cuda.h"
#ifndef __CUDACC__
#include "kernels/simt/async_copies.h"
#endif

// These functions make copies from global to shared memory that do not pass through registers and
// run while the thread computes (PTX ISA, "cp.async"; compute capability 8.0). On the host a copy
// happens when its thread waits for it, which is as late as the program allows.

namespace switchyard::kernels {

/// Starts copying 16 bytes; zeros where `global` is null. Both addresses must be 16-byte aligned.
/// The bytes are there after a wait in this thread, and a barrier in the others.
template <class T>
__device__ __forceinline__ void copy_async_16(T* shared, const T* global) {
#ifdef __CUDACC__
  const unsigned bytes = global == nullptr ? 0U : 16U;  // the rest of the 16 is filled with zeros
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(shared))),
               "l"(global), "r"(bytes)
               : "memory");
#else
  simt::async_copies().start(shared, global);
#endif
}

/// Waits for all copies that this thread started.
__device__ __forceinline__ void copy_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_all;" ::: "memory");
#else
  simt::async_copies().finish();
#endif
}

/// Makes a group of the copies that this thread started since the last group, which may be none.
__device__ __forceinline__ void copy_async_close_group() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  simt::async_copies().close_group();
#endif
}

/// Waits for this thread's groups but the kNewest last ones.
template <int kNewest>
__device__ __forceinline__ void copy_async_wait_but() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory");
#else
  simt::async_copies().finish_but(static_cast<unsigned>(kNewest));
#endif
}

}  // namespace switchyard::kernels

#pragma once

// The first include of every kernel file: CUDA itself under nvcc, its host meaning elsewhere.

#include "kernels/common/host_device.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

/// A block's dynamic shared memory as an array of T.
#define SWITCHYARD_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(128) unsigned char switchyard_dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(switchyard_dynamic_shared)
/// Before a loop with a constant count: arrays indexed by its counter stay in registers.
#define SWITCHYARD_UNROLL _Pragma("unroll")
#define SWITCHYARD_PRAGMA(text) _Pragma(#text)
#define SWITCHYARD_UNROLL_BY(count) SWITCHYARD_PRAGMA(unroll count)
#else
#include "kernels/simt/dialect.h"

#define SWITCHYARD_DYNAMIC_SHARED(T, name) \
  T* const name = reinterpret_cast<T*>(switchyard_dynamic_shared)
#define SWITCHYARD_UNROLL
#define SWITCHYARD_UNROLL_BY(count)
#endif

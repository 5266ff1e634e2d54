#pragma once

#include <memory>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/staging.h"
#include "kernels/cuda/stream.h"

namespace switchyard::kernels {

class Cudnn;

/// Holds what an executor owns besides its stream. The libraries' handles are made by the first
/// call that needs them: each takes device memory and a moment.
struct Cuda::Parts {
  explicit Parts(int device) : memory(device) {}

  PoolAllocator memory;
  Staging staging;
  MemoryBlock fault;  // fault_word(), made when it is first asked for
  std::unique_ptr<Cublas> cublas;
  std::shared_ptr<Cudnn> cudnn;  // null in a build without it
};

}  // namespace switchyard::kernels

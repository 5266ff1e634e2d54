// Kernels that do nothing wrong, in ways that are easy to mistake for faults. right.ptx is what
// nvcc makes of this file, as the head of counted.cu says. tests/kernels/xray/broken_test.cpp runs
// each with 4 blocks of 64 threads and 512 bytes of dynamic shared memory: x has 4096 numbers, y as
// many that nobody has written yet, flags 64 zeros.
#include "parts.cuh"

/// Each warp reverses its 32 numbers: __syncwarp is enough.
KERNEL(reverse_in_warp) {
  __shared__ float tile[64];
  const int lane = threadIdx.x % 32;
  tile[threadIdx.x] = x[global_thread()];
  __syncwarp();
  y[global_thread()] = tile[threadIdx.x - lane + 31 - lane];
}

/// Two arrays that lie one behind the other, each used to its last element.
KERNEL(neighbouring_arrays) {
  __shared__ float low[64];
  __shared__ float high[64];
  low[threadIdx.x] = x[global_thread()];
  high[63 - threadIdx.x] = x[global_thread()];
  __syncthreads();
  y[global_thread()] = low[63 - threadIdx.x] + high[threadIdx.x];
}

/// A structure with a hole is copied whole.
KERNEL(copy_padding) {
  struct alignas(16) Pair {
    float first;
    int hole[2];
    float second;
  };
  __shared__ Pair pairs[64], copies[64];
  pairs[threadIdx.x].first = x[threadIdx.x];
  pairs[threadIdx.x].second = x[threadIdx.x + 1];
  __syncwarp();
  *reinterpret_cast<int4*>(&copies[threadIdx.x]) =
      *reinterpret_cast<const int4*>(&pairs[threadIdx.x]);
  __syncwarp();
  y[global_thread()] = copies[threadIdx.x].first + copies[threadIdx.x].second;
}

/// The last block to arrive adds up what all have left.
KERNEL(last_block_sums) {
  __shared__ bool is_last;
  float* parts = y + 256;
  parts[global_thread()] = x[global_thread()];
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    is_last = atomicAdd(&flags[0], 1U) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += parts[i * blockDim.x + threadIdx.x];
  y[threadIdx.x] = sum;
}

/// Decoupled look-back: a block waits for the running sum of the block before it.
KERNEL(look_back) {
  volatile unsigned* ready = flags;
  volatile float* totals = y + 1024;
  if (threadIdx.x == 0) {
    float before = 0;
    if (blockIdx.x != 0) {
      while (ready[blockIdx.x - 1] == 0) {
      }
      __threadfence();
      before = totals[blockIdx.x - 1];
    }
    totals[blockIdx.x] = before + x[blockIdx.x];
    __threadfence();
    ready[blockIdx.x] = 1;
    y[blockIdx.x] = before;
  }
}

/// A lock in global memory that the blocks take in turn.
KERNEL(lock) {
  float* sum = y;
  if (threadIdx.x == 0) {
    while (atomicCAS(&flags[0], 0U, 1U) != 0) {
    }
    __threadfence();
    *sum = flags[1] == 0 ? 1.0F : *sum + 1.0F;
    flags[1] += 1;
    __threadfence();
    atomicExch(&flags[0], 0U);
  }
}

/// All blocks meet before they read what others have written.
KERNEL(grid_barrier) {
  y[global_thread()] = x[global_thread()];
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(&flags[0], 1U);
    while (atomicAdd(&flags[0], 0U) < gridDim.x) {
    }
    __threadfence();
  }
  __syncthreads();
  y[1024 + global_thread()] = y[blockDim.x * gridDim.x - 1 - global_thread()];
}

/// A pipeline of two stages of cp.async.
KERNEL(two_stages) {
  __shared__ alignas(16) float stage[2][256];
  copy_async(&stage[0][threadIdx.x * 4], x + threadIdx.x * 4);
  commit_group();
  float sum = 0;
  for (int i = 0; i < 4; ++i) {
    if (i + 1 < 4)
      copy_async(&stage[(i + 1) % 2][threadIdx.x * 4], x + 256 * (i + 1) + threadIdx.x * 4);
    commit_group();
    wait_group<1>();
    __syncthreads();
    sum += stage[i % 2][255 - threadIdx.x];
    __syncthreads();
  }
  y[global_thread()] = sum;
}

/// Half of a warp shuffles among itself.
KERNEL(half_warp_shuffle) {
  float value = x[global_thread()];
  if (threadIdx.x % 32 < 16) {
    for (int step = 8; step > 0; step /= 2) value += __shfl_down_sync(0xFFFFU, value, step, 16);
  }
  y[global_thread()] = value;
}

/// Threads that have left are not waited for.
KERNEL(threads_that_left) {
  __shared__ float tile[32];
  if (threadIdx.x >= 32) return;
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 32 + threadIdx.x] = tile[31 - threadIdx.x];
}

/// Lanes count with one atomic for all that are there.
KERNEL(counters) {
  if (x[global_thread()] > 2000.0F) atomicAdd(&flags[1], 1U);
  __shared__ unsigned mine[2];
  if (threadIdx.x < 2) mine[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&mine[threadIdx.x % 2], 1U);
  __syncthreads();
  if (threadIdx.x < 2) atomicAdd(&flags[2 + threadIdx.x], mine[threadIdx.x]);
  y[global_thread()] = 0;
}

/// Halves of a word belong to two threads each.
KERNEL(halves_of_words) {
  __shared__ short tile[64];
  tile[threadIdx.x] = static_cast<short>(threadIdx.x);
  __syncthreads();
  reinterpret_cast<short*>(y)[global_thread()] = tile[63 - threadIdx.x];
}

/// Dynamic shared memory behind a static array.
KERNEL(static_and_dynamic) {
  __shared__ float fixed[64];
  extern __shared__ float dynamic[];
  fixed[threadIdx.x] = x[threadIdx.x];
  dynamic[threadIdx.x + 64] = x[threadIdx.x];
  __syncthreads();
  y[global_thread()] = fixed[63 - threadIdx.x] + dynamic[127 - threadIdx.x];
}

/// A warp waits for each of two halves of another one's work.
KERNEL(producer_and_consumer) {
  __shared__ float box[32];
  const int lane = threadIdx.x % 32;
  if (threadIdx.x < 32) {
    box[lane] = x[lane];
    __threadfence_block();
    asm volatile("bar.arrive 1, 64;");
  } else {
    asm volatile("bar.sync 1, 64;");
    y[blockIdx.x * 32 + lane] = box[31 - lane];
  }
}

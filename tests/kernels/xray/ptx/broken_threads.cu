// Kernels whose threads do not agree with each other, broken on purpose and launched as those of
// right.cu are; `old` was freed. The comment `//! DETECTOR` stands where X-ray must find what it
// names, and nothing else; `//!` beside a kernel's name means a finding that has no line.
#include "parts.cuh"

// ---- races within a block

KERNEL(no_barrier) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];           //! race
  y[global_thread()] = tile[63 - threadIdx.x];  //! race
}

KERNEL(no_barrier_between_tiles) {
  __shared__ float tile[64];
  float sum = 0;
#pragma unroll 1
  for (int i = 0; i < 4; ++i) {
    tile[threadIdx.x] = x[64 * i + threadIdx.x];  //! race
    __syncthreads();
    sum += tile[63 - threadIdx.x];  //! race
  }
  y[global_thread()] = sum;
}

KERNEL(no_syncwarp) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  y[global_thread()] = tile[threadIdx.x ^ 1];  //! race
}

KERNEL(vote_is_no_barrier) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  if (__any_sync(0xFFFFFFFFU, threadIdx.x > 64)) y[2048] = 0;
  y[global_thread()] = tile[threadIdx.x ^ 1];  //! race
}

KERNEL(all_write_one_place) {
  __shared__ int last;
  last = threadIdx.x;  //! race
  __syncthreads();
  y[global_thread()] = last;
}

KERNEL(atomic_and_plain) {
  __shared__ unsigned count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  atomicAdd(&count, 1U);       //! race
  y[global_thread()] = count;  //! race
}

KERNEL(halves_overlap) {
  __shared__ alignas(4) short tile[66];
  tile[threadIdx.x] = tile[threadIdx.x + 1] = static_cast<short>(threadIdx.x);  //! race
  __syncthreads();
  y[global_thread()] = tile[threadIdx.x];
}

KERNEL(global_without_barrier) {
  y[global_thread()] = x[threadIdx.x];
  y[1024 + global_thread()] = y[blockIdx.x * 64 + (threadIdx.x ^ 1)];  //! race
}

KERNEL(barrier_of_the_wrong_warps) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  //! race
  if (threadIdx.x < 32) asm volatile("bar.sync 1, 32;" ::: "memory");
  if (threadIdx.x >= 32) asm volatile("bar.sync 2, 32;" ::: "memory");
  y[global_thread()] = tile[63 - threadIdx.x];  //! race
}

// ---- races between blocks

KERNEL(all_blocks_write_one_place) {
  y[threadIdx.x] = x[global_thread()];  //! race_between_blocks
}

KERNEL(reads_the_next_blocks_result) {
  y[global_thread()] = x[global_thread()];                      //! race_between_blocks
  y[1024 + global_thread()] = y[(global_thread() + 64) % 256];  //! race_between_blocks
}

KERNEL(sums_without_a_fence) {
  __shared__ bool is_last;
  y[256 + global_thread()] = x[global_thread()];
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(&flags[0], 1U) == gridDim.x - 1;
  __syncthreads();
  if (!is_last) return;
  float sum = 0;
#pragma unroll 1
  for (unsigned i = 0; i < gridDim.x; ++i)
    sum += y[256 + i * blockDim.x + threadIdx.x];  //! race_between_blocks
  y[threadIdx.x] = sum;
}

KERNEL(sums_without_a_barrier) {
  __shared__ bool is_last;
  y[256 + global_thread()] = x[global_thread()];
  if (threadIdx.x == 0) {
    __threadfence();  // for its own warp's numbers alone
    is_last = atomicAdd(&flags[0], 1U) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  float sum = 0;
#pragma unroll 1
  for (unsigned i = 0; i < gridDim.x; ++i)
    sum += y[256 + i * blockDim.x + threadIdx.x];  //! race_between_blocks
  y[threadIdx.x] = sum;
}

KERNEL(flag_before_the_value) {
  volatile unsigned* ready = flags;
  if (threadIdx.x == 0) {
    if (blockIdx.x != 0) {
      while (ready[blockIdx.x - 1] == 0) {
      }
      y[1024 + blockIdx.x] = y[blockIdx.x - 1] + 1;  //! race_between_blocks
    }
    __threadfence();
    y[blockIdx.x] = x[blockIdx.x];
    ready[blockIdx.x] = 1;
  }
}

KERNEL(fence_of_the_block) {
  volatile unsigned* ready = flags;
  if (threadIdx.x == 0) {
    if (blockIdx.x != 0) {
      while (ready[blockIdx.x - 1] == 0) {
      }
      y[1024 + blockIdx.x] = y[blockIdx.x - 1] + 1;  //! race_between_blocks
    }
    y[blockIdx.x] = x[blockIdx.x];
    __threadfence_block();
    ready[blockIdx.x] = 1;
  }
}

// ---- barriers that part of a warp reaches

KERNEL(barrier_in_a_branch) {
  y[global_thread()] = 0;
  if (threadIdx.x % 32 < 16) asm volatile("bar.sync 1, 64;");   //! divergent_barrier
  if (threadIdx.x % 32 >= 16) asm volatile("bar.sync 1, 64;");  //! divergent_barrier
}

KERNEL(barrier_in_a_loop) {
  float sum = 0;
#pragma unroll 1
  for (int i = 0; i < 2 + (threadIdx.x & 1); ++i) {
    sum += x[i];
    asm volatile("bar.sync 0;");  //! divergent_barrier
  }
  y[global_thread()] = sum;
}

KERNEL(barrier_under_a_guard) {
  if (threadIdx.x != 7) asm volatile("bar.sync 0;");  //! divergent_barrier
  y[global_thread()] = 0;
  if (threadIdx.x == 7) asm volatile("bar.sync 0;");  //! divergent_barrier
}

// ---- masks

KERNEL(mask_without_itself) {
  y[global_thread()] = __shfl_sync(0xFFFFU, x[threadIdx.x], 0);  //! mask
}

KERNEL(masks_overlap) {
  const unsigned mask = threadIdx.x % 32 < 16 ? 0x1FFFFU : 0xFFFF0000U;
  y[global_thread()] = __shfl_sync(mask, x[threadIdx.x], threadIdx.x % 32 < 16 ? 0 : 16);  //! mask
}

KERNEL(masks_of_one_and_all) {
  const unsigned mask = threadIdx.x % 32 == 3 ? 8U : 0xFFFFFFFFU;
  y[global_thread()] = __ballot_sync(mask, threadIdx.x < 9);  //! mask
}

// ---- lanes that take no part

KERNEL(shuffle_from_who_left) {
  const float value = x[threadIdx.x];
  if (threadIdx.x % 32 >= 24) return;
  const float other = __shfl_xor_sync(0xFFFFFFFFU, value, 8);
  y[global_thread()] = value + other;  //! lane_left
}

KERNEL(shuffle_from_outside_the_mask) {
  const float value = x[threadIdx.x];
  if (threadIdx.x % 32 >= 16) return;
  y[global_thread()] = value * __shfl_down_sync(0xFFFFU, value, 4);  //! lane_left
}

KERNEL(sum_of_half_a_warp) {
  float value = x[global_thread()];
  if (threadIdx.x % 32 < 16) {
    value += __shfl_xor_sync(0xFFFFU, value, 16);  //! lane_left
  }
  y[global_thread()] = value;
}

// ---- copies that nobody waits for

KERNEL(no_wait) {
  __shared__ alignas(16) float tile[256];
  copy_async(&tile[threadIdx.x * 4], x + threadIdx.x * 4);
  commit_group();
  y[global_thread()] = tile[threadIdx.x * 4];  //! async_copy
  wait_group<0>();
}

KERNEL(waits_for_too_few) {
  __shared__ alignas(16) float stage[2][256];
  copy_async(&stage[0][threadIdx.x * 4], x + threadIdx.x * 4);
  commit_group();
  copy_async(&stage[1][threadIdx.x * 4], x + 256 + threadIdx.x * 4);
  commit_group();
  wait_group<1>();
  y[global_thread()] = stage[0][threadIdx.x * 4];
  y[1024 + global_thread()] = stage[1][threadIdx.x * 4];  //! async_copy
  wait_group<0>();
}

KERNEL(leaves_without_waiting) {
  __shared__ alignas(16) float tile[256];
  y[global_thread()] = 0;
  copy_async(&tile[threadIdx.x * 4], x + threadIdx.x * 4);
  commit_group();
}  //! async_copy

KERNEL(waits_before_it_commits) {
  __shared__ alignas(16) float tile[256];
  copy_async(&tile[threadIdx.x * 4], x + threadIdx.x * 4);
  wait_group<0>();
  y[global_thread()] = tile[threadIdx.x * 4];  //! async_copy
  commit_group();
  wait_group<0>();
}

// ---- what no GPU goes on with

KERNEL(traps) {
  if (x[threadIdx.x] >= 0) asm volatile("trap;");  //! stop
}

KERNEL(barrier_17) {
  asm volatile("bar.sync %0;" ::"r"(17 + threadIdx.x / 64));  //! stop
}

KERNEL(barrier_of_33) {
  asm volatile("bar.sync 1, %0;" ::"r"(33 + threadIdx.x / 64));  //! stop
}

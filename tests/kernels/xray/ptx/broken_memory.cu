// Kernels that misuse memory, broken on purpose and launched as those of right.cu are; `old` was
// freed. The comment `//! DETECTOR` stands where X-ray must find what it names, and
// nothing else; `//!` beside a kernel's name means a finding that has no line.
#include "parts.cuh"

// ---- out of bounds

KERNEL(reads_past_the_end) {
  y[global_thread()] = x[global_thread() + 3900];  //! out_of_bounds
}

KERNEL(writes_past_the_end) {
  y[global_thread() * 17] = x[global_thread()];  //! out_of_bounds
}

KERNEL(reads_before_the_beginning) {
  y[global_thread()] = x[global_thread() - 1];  //! out_of_bounds
}

KERNEL(tail_of_a_vector) {
  const float4 four =
      *reinterpret_cast<const float4*>(x + 16 * global_thread() + 64);  //! out_of_bounds
  y[global_thread()] = four.x + four.w;
}

KERNEL(far_past_the_end) {
  y[global_thread()] = x[global_thread() + 4096 * 3];  //! out_of_bounds
}

KERNEL(counts_past_the_end) {
  atomicAdd(&flags[global_thread()], 1U);  //! out_of_bounds
}

KERNEL(shared_past_the_end) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[global_thread()] = tile[threadIdx.x * 4];  //! out_of_bounds //! other_array
}

KERNEL(dynamic_past_the_end) {
  extern __shared__ float dynamic[];
  dynamic[threadIdx.x * 4] = x[threadIdx.x];  //! out_of_bounds
  __syncwarp();
  y[global_thread()] = 0;
}

// ---- freed

KERNEL(reads_freed) {
  y[global_thread()] = old[threadIdx.x];  //! freed
}

KERNEL(writes_freed) {
  const_cast<float*>(old)[threadIdx.x] = x[threadIdx.x];  //! freed
}

// ---- misaligned

KERNEL(misaligned_vector) {
  const float4 four = *reinterpret_cast<const float4*>(x + global_thread());  //! misaligned
  y[global_thread()] = four.x + four.y;
}

KERNEL(misaligned_double) {
  reinterpret_cast<double*>(y + 1)[threadIdx.x] = 1.0;  //! misaligned
}

KERNEL(misaligned_shared) {
  __shared__ alignas(16) float tile[136];
  tile[threadIdx.x] = tile[threadIdx.x + 64] = x[threadIdx.x];
  __syncthreads();
  const float2 two = *reinterpret_cast<float2*>(&tile[threadIdx.x + 1]);  //! misaligned
  y[global_thread()] = two.x + two.y;
}

KERNEL(misaligned_atomic) {
  atomicAdd(reinterpret_cast<unsigned long long*>(flags + 1), 1ULL);  //! misaligned
}

KERNEL(misaligned_async_copy) {
  __shared__ alignas(16) float tile[512];
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(&tile[threadIdx.x * 4]));
  const float* from = x + threadIdx.x * 4 + 2;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from));  //! misaligned
  commit_group();
  wait_group<0>();
}

// ---- one shared array into the next

KERNEL(into_the_next_array) {
  __shared__ float low[64];
  __shared__ float high[64];
  high[threadIdx.x] = 0;
  __syncthreads();
  low[threadIdx.x + 1] = x[threadIdx.x];  //! other_array
  if (threadIdx.x == 0) low[0] = 0;
  __syncthreads();
  y[global_thread()] = low[threadIdx.x] + high[threadIdx.x];
}

KERNEL(into_the_array_before) {
  __shared__ float low[64];
  __shared__ float high[64];
  low[threadIdx.x] = 1;
  high[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const int at = threadIdx.x;
  y[global_thread()] = low[at] + high[at - 1];  //! other_array
}

KERNEL(row_too_far) {
  __shared__ float tile[4][16];
  __shared__ float edge[16];
  if (threadIdx.x < 16) edge[threadIdx.x] = 0;
  tile[threadIdx.x / 16][threadIdx.x % 16] = x[threadIdx.x];
  __syncthreads();
  y[global_thread()] = tile[threadIdx.x / 16 + 1][threadIdx.x % 16];  //! other_array
  y[1024 + global_thread()] = edge[threadIdx.x % 16];
}

KERNEL(static_into_dynamic) {
  __shared__ float fixed[64];
  extern __shared__ float dynamic[];
  dynamic[threadIdx.x] = x[threadIdx.x];
  fixed[threadIdx.x] = 0;
  __syncthreads();
  y[global_thread()] = fixed[threadIdx.x + 8] + dynamic[threadIdx.x];  //! other_array
}

KERNEL(atomic_into_the_next_array) {
  __shared__ unsigned low[32];
  __shared__ unsigned high[64];
  high[threadIdx.x] = 0;
  if (threadIdx.x < 32) low[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&low[threadIdx.x], 1U);  //! other_array //! uninitialised
  __syncthreads();
  y[global_thread()] = high[threadIdx.x];
}

// ---- never written

KERNEL(shared_never_written) {
  __shared__ float tile[64];
  if (threadIdx.x < 63) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[global_thread()] = tile[threadIdx.x] * 2;  //! uninitialised
}

KERNEL(global_never_written) {
  y[global_thread()] = y[global_thread() + 1024] + 1;  //! uninitialised
}

KERNEL(adds_to_nothing) {
  atomicAdd(&y[0], x[threadIdx.x]);  //! uninitialised
}

KERNEL(copied_then_used) {
  __shared__ float from[64];
  __shared__ float to[64];
  if (threadIdx.x % 2 == 0) from[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  to[threadIdx.x] = from[threadIdx.x];
  __syncthreads();
  y[global_thread()] = to[threadIdx.x] + 1;  //! uninitialised
}

KERNEL(index_never_written) {
  __shared__ int at[64];
  if (threadIdx.x != 5) at[threadIdx.x] = threadIdx.x;
  __syncthreads();
  y[global_thread()] = x[at[threadIdx.x]];  //! uninitialised
}

KERNEL(dynamic_never_written) {
  extern __shared__ float dynamic[];
  dynamic[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[global_thread()] = dynamic[threadIdx.x + 1] - 1;  //! uninitialised
}

KERNEL(copies_what_is_not_there) {
  __shared__ alignas(16) float tile[256];
  copy_async(&tile[threadIdx.x * 4], y + 2048 + threadIdx.x * 4);
  commit_group();
  wait_group<0>();
  y[global_thread()] = tile[threadIdx.x * 4] + 1;  //! uninitialised
}

// ---- results

KERNEL(result_without_its_tail) {  //! result_not_written
  if (global_thread() < 255) y[global_thread()] = x[threadIdx.x];
}

KERNEL(result_every_other) {  //! result_not_written
  y[global_thread() / 2 * 2] = x[0];
}

KERNEL(result_of_one_block) {  //! result_not_written
  if (blockIdx.x == 0) y[threadIdx.x] = x[threadIdx.x];
}

// Counts how many of 256 keys are 0, 1, 2 and 3. One 32-bit word holds the four counters, a byte
// each.
//
// xray: --kernel count_keys --block 256 --check
// xray: --arg zeros:i32:4 --arg zeros:i32:256
// xray: --expect 0=values:i32:256,0,0,0

extern "C" __global__ void count_keys(int* counts, const int* keys) {
  __shared__ unsigned packed;
  if (threadIdx.x == 0) packed = 0;
  __syncthreads();
  atomicAdd(&packed, 1u << (8 * keys[threadIdx.x]));
  __syncthreads();
  if (threadIdx.x < 4) counts[threadIdx.x] = packed >> (8 * threadIdx.x) & 255;
}

// Counts how many of 256 keys are 0, 1, 2 and 3. Each has a counter of 32 bits.
//
// xray: --kernel count_keys --block 256 --check
// xray: --arg zeros:i32:4 --arg zeros:i32:256
// xray: --expect 0=values:i32:256,0,0,0

extern "C" __global__ void count_keys(int* counts, const int* keys) {
  __shared__ int of_key[4];
  if (threadIdx.x < 4) of_key[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&of_key[keys[threadIdx.x]], 1);
  __syncthreads();
  if (threadIdx.x < 4) counts[threadIdx.x] = of_key[threadIdx.x];
}

// Counts the numbers 0 to 15 that three warps have, warp by warp, then adds the warps' counts. Each
// warp takes every third of the 16 sums.
//
// xray: --kernel count_digits --block 96 --shared 216 --check
// xray: --arg zeros:i32:16 --arg random:i32:96:1:16

extern "C" __global__ void count_digits(int* out, const int* digits) {
  __shared__ int total[16];
  extern __shared__ int of_warp[];  // [3][18], of which a warp uses 16
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (lane < 18) of_warp[warp * 18 + lane] = 0;
  __syncthreads();
  atomicAdd(&of_warp[warp * 18 + digits[threadIdx.x]], 1);
  __syncthreads();
  const int rounds = (16 + 2) / 3;
  for (int i = 0; i < rounds; ++i) {
    const int digit = warp + 3 * i;
    if (lane == 0 && digit < 16)
      total[digit] = of_warp[digit] + of_warp[18 + digit] + of_warp[36 + digit];
  }
  __syncthreads();
  if (threadIdx.x < 16) out[threadIdx.x] = total[threadIdx.x];
}

// Adds 32 numbers with one warp, halving what is left in shared memory.
//
// xray: --kernel warp_sum --block 32 --check
// xray: --arg zeros:f32:1 --arg iota:f32:32
// xray: --expect 0=values:f32:496

extern "C" __global__ void warp_sum(float* out, const float* in) {
  __shared__ float partial[32];
  const int lane = threadIdx.x;
  partial[lane] = in[lane];
  for (int half = 16; half > 0; half /= 2) {
    if (lane < half) partial[lane] += partial[lane + half];
  }
  if (lane == 0) *out = partial[0];
}

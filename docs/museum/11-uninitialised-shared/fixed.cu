// The largest of 64 numbers, all of them negative here: a value of each warp, then one of those.
//
// xray: --kernel block_largest --block 64 --check
// xray: --arg zeros:f32:1 --arg values:f32:-3*40,-2,-3*23
// xray: --expect 0=values:f32:-2

__device__ float warp_largest(float x) {
  for (int offset = 16; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(~0u, x, offset));
  }
  return x;
}

extern "C" __global__ void block_largest(float* out, const float* in) {
  __shared__ float of_warp[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const float mine = warp_largest(in[threadIdx.x]);
  if (lane == 0) of_warp[warp] = mine;
  __syncthreads();
  if (warp != 0) return;
  const float all =
      warp_largest(lane < blockDim.x / 32 ? of_warp[lane] : -__int_as_float(0x7f800000));
  if (lane == 0) *out = all;
}

// The two largest of 32 numbers: first their values, then where they are. Two are equal here.
//
// xray: --kernel top_two --block 32 --check
// xray: --arg zeros:i32:2 --arg values:f32:1*4,5,1*4,5,1*22
// xray: --expect 0=values:i32:4,9

__device__ float warp_largest(float x) {
  for (int offset = 16; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(~0u, x, offset));
  }
  return x;
}

extern "C" __global__ void top_two(int* where, const float* x) {
  const float infinity = __int_as_float(0x7f800000);
  const int lane = threadIdx.x;
  const float mine = x[lane];
  const float first = warp_largest(mine);
  const int at = __ffs(__ballot_sync(~0u, mine == first)) - 1;
  const float second = warp_largest(lane == at ? -infinity : mine);
  const int next = __ffs(__ballot_sync(~0u, mine == second)) - 1;
  if (lane == 0) where[0] = at;
  if (lane == 0) where[1] = next;
}

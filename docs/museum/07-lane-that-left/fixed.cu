// The largest of at most 32 numbers, all of them negative here.
//
// xray: --kernel largest --block 32 --check
// xray: --arg zeros:i32:1 --arg values:i32:-5,-9,-7,-20*17 --arg 20
// xray: --expect 0=values:i32:-5

extern "C" __global__ void largest(int* out, const int* in, int count) {
  const int lane = threadIdx.x;
  int best = lane < count ? in[lane] : -2147483647 - 1;
  for (int offset = 16; offset > 0; offset /= 2) {
    best = max(best, __shfl_down_sync(~0u, best, offset));
  }
  if (lane == 0) *out = best;
}

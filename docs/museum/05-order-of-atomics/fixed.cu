// Adds numbers of very different size. In the order in which they lie each 1 is lost in 2^24.
//
// xray: --kernel sum --grid 2 --block 64 --check
// xray: --arg zeros:f32:1 --arg values:f32:16777216,1*32,0*95 --arg 128
// xray: --expect 0=values:f32:16777248

extern "C" __global__ void sum(float* out, const float* in, int count) {
  // One block adds, always in the same order, and in double, which holds every partial sum here.
  if (blockIdx.x != 0) return;
  __shared__ double partial[64];
  const int i = threadIdx.x;
  double mine = 0;
  for (int from = i; from < count; from += 64) mine += in[from];
  partial[i] = mine;
  for (int half = 32; half > 0; half /= 2) {
    __syncthreads();
    if (i < half) partial[i] += partial[i + half];
  }
  if (i == 0) *out = static_cast<float>(partial[0]);
}

// Adds numbers of very different size. In the order in which they lie each 1 is lost in 2^24.
//
// xray: --kernel sum --grid 2 --block 64 --check
// xray: --arg zeros:f32:1 --arg values:f32:16777216,1*32,0*95 --arg 128
// xray: --expect 0=values:f32:16777248

extern "C" __global__ void sum(float* out, const float* in, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) atomicAdd(out, in[i]);
}

// Replaces each number by the sum of itself and its left neighbour, in place.
//
// xray: --kernel add_left --grid 2 --block 32 --check
// xray: --arg values:f32:1*64
// xray: --expect 0=values:f32:1,2*63

extern "C" __global__ void add_left(float* x) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const float left = i > 0 ? x[i - 1] : 0;
  __syncthreads();
  x[i] += left;
}

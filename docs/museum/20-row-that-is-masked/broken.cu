// Softmax of rows of 32 scores. Each warp owns one row. All scores of the second row are masked.
//
// xray: --kernel softmax --grid 2 --block 32 --check
// xray: --arg values:f32:1*64 --arg values:f32:100*32,-inf*32
// xray: --expect 0=values:f32:0.03125*32,0*32

extern "C" __global__ void softmax(float* out, const float* scores) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  float largest = scores[i];
  for (int offset = 16; offset > 0; offset /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, offset));
  }
  const float mine = expf(scores[i] - largest);
  float sum = mine;
  for (int offset = 16; offset > 0; offset /= 2) {
    sum += __shfl_xor_sync(~0u, sum, offset);
  }
  out[i] = mine / sum;
}

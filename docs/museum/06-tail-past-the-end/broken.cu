// Doubles numbers, four in each thread.
//
// xray: --kernel twice --block 32 --check
// xray: --arg zeros:f32:102 --arg iota:f32:102 --arg 102

extern "C" __global__ void twice(float* out, const float* in, int count) {
  const int i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  float4 four = *reinterpret_cast<const float4*>(in + i);
  four = {2 * four.x, 2 * four.y, 2 * four.z, 2 * four.w};
  *reinterpret_cast<float4*>(out + i) = four;
}

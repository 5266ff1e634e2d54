// Chooses the two experts with the largest logits of 32, for each token. Each warp owns one token.
//
// xray: --kernel choose_experts --grid 2 --block 32 --check
// xray: --arg zeros:i32:4 --arg values:f32:0.5*7,3,0.5*12,2,0.5*11,nan*32
// xray: --expect 0=values:i32:7,20,0,1

extern "C" __global__ void choose_experts(int* chosen, const float* logits) {
  const float infinity = __int_as_float(0x7f800000);
  const int lane = threadIdx.x;
  float mine = logits[blockIdx.x * 32 + lane];
  // A NaN counts as less than every number, but more than an expert that is taken, which is -inf.
  if (isnan(mine)) mine = -3.4e38f;
  for (int k = 0; k < 2; ++k) {
    float best = mine;
    int expert = lane;
    for (int offset = 16; offset > 0; offset /= 2) {
      const float other = __shfl_xor_sync(~0u, best, offset);
      const int its_expert = __shfl_xor_sync(~0u, expert, offset);
      if (other > best || (other == best && its_expert < expert)) {
        best = other;
        expert = its_expert;
      }
    }
    expert = __shfl_sync(~0u, expert, 0);
    if (lane == 0) chosen[blockIdx.x * 2 + k] = expert;
    if (lane == expert) mine = -infinity;
  }
}

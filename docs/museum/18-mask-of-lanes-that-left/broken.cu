// Each lane adds up a list of its own. In every round the lanes that have an element left add the
// largest of theirs. All return the sum of lane 0.
//
// xray: --kernel shared_rounds --block 32 --check
// xray: --arg zeros:i32:32 --arg values:i32:3*16,1*16
// xray: --expect 0=values:i32:64*32

extern "C" __global__ void shared_rounds(int* sums, const int* lengths) {
  const int lane = threadIdx.x, length = lengths[lane];
  const unsigned present = __ballot_sync(~0u, length > 0);
  int sum = 0;
  for (int i = 0; i < length; ++i) {
    sum += __reduce_max_sync(present, i + lane);
  }
  sums[lane] = __shfl_sync(~0u, sum, 0);
}

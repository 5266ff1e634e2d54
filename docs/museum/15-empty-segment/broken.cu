// The last token of each expert, whose tokens lie in [offsets[e], offsets[e + 1]). The first expert
// has none.
//
// xray: --kernel last_tokens --block 4 --check
// xray: --arg zeros:i32:4 --arg values:i32:0,0,2,2,5 --arg values:i32:10,11,12,13,14
// xray: --expect 0=values:i32:-1,11,-1,14

extern "C" __global__ void last_tokens(int* last, const int* offsets, const int* tokens) {
  const int expert = threadIdx.x;
  last[expert] = tokens[offsets[expert + 1] - 1];
}

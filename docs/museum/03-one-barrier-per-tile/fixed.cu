// Transposes a stack of 32 x 32 tiles through shared memory, one tile after the other.
//
// xray: --kernel transpose_tiles --block 32,32 --check
// xray: --arg zeros:f32:3072 --arg zeros:f32:3072 --arg 3
// xray: --expect 0=zeros:f32:3072

extern "C" __global__ void transpose_tiles(float* out, const float* in, int tiles) {
  __shared__ float tile[32][33];
  const int x = threadIdx.x, y = threadIdx.y;
  for (int i = 0; i < tiles; ++i) {
    tile[y][x] = in[(i * 32 + y) * 32 + x];
    __syncthreads();
    out[(i * 32 + y) * 32 + x] = tile[x][y];
    __syncthreads();  // the next tile must not overwrite what others still read
  }
}

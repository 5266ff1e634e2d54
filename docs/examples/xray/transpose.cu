// y = x transposed, n x n numbers, from the kernel that everybody writes first to one whose every
// count is the ideal. docs/guide/09-xray.md goes through it with `switchyard xray`.
//
// Tiles are 32 x 32 numbers and n is a multiple of 32. A block has 32 x 32 threads, but for the
// last kernel's, which have 32 x 8.

constexpr int kTile = 32;

// A warp reads a row, which lies in one piece, and writes a column, which does not.
extern "C" __global__ void transpose_naive(const float* x, float* y, int n) {
  const int column = blockIdx.x * kTile + threadIdx.x;
  const int row = blockIdx.y * kTile + threadIdx.y;
  y[column * n + row] = x[row * n + column];
}

// Through a tile in shared memory, so that the warp writes a row as well. It reads a column of the
// tile instead, and all of that lies in one bank.
extern "C" __global__ void transpose_tiled(const float* x, float* y, int n) {
  __shared__ float tile[kTile][kTile];
  const int column = blockIdx.x * kTile, row = blockIdx.y * kTile;
  tile[threadIdx.y][threadIdx.x] = x[(row + threadIdx.y) * n + column + threadIdx.x];
  __syncthreads();
  y[(column + threadIdx.y) * n + row + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}

// Rows of 33 numbers: a column now goes through all 32 banks, and 128 bytes are never used.
extern "C" __global__ void transpose_padded(const float* x, float* y, int n) {
  __shared__ float tile[kTile][kTile + 1];
  const int column = blockIdx.x * kTile, row = blockIdx.y * kTile;
  tile[threadIdx.y][threadIdx.x] = x[(row + threadIdx.y) * n + column + threadIdx.x];
  __syncthreads();
  y[(column + threadIdx.y) * n + row + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}

// No byte more than the tile has: number c of row r is kept at c ^ r, so that the numbers of a
// column lie in 32 different banks too.
extern "C" __global__ void transpose_swizzled(const float* x, float* y, int n) {
  __shared__ float tile[kTile][kTile];
  const int column = blockIdx.x * kTile, row = blockIdx.y * kTile;
  const int to = threadIdx.x ^ threadIdx.y;
  tile[threadIdx.y][to] = x[(row + threadIdx.y) * n + column + threadIdx.x];
  __syncthreads();
  y[(column + threadIdx.y) * n + row + threadIdx.x] = tile[threadIdx.x][to];
}

// A thread moves four numbers, so that what it computes once (its place) serves four times.
extern "C" __global__ void transpose_four(const float* x, float* y, int n) {
  __shared__ float tile[kTile][kTile];
  const int column = blockIdx.x * kTile, row = blockIdx.y * kTile;
  const float* from = &x[(row + threadIdx.y) * n + column + threadIdx.x];
  for (int i = 0; i < kTile; i += 8) {
    tile[threadIdx.y + i][threadIdx.x ^ (threadIdx.y + i)] = from[i * n];
  }
  __syncthreads();
  float* to = &y[(column + threadIdx.y) * n + row + threadIdx.x];
  for (int i = 0; i < kTile; i += 8) {
    to[i * n] = tile[threadIdx.x][threadIdx.x ^ (threadIdx.y + i)];
  }
}

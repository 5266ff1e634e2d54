// The kernels whose counts tests/kernels/xray/counts_test.cpp derives by hand. counted.ptx is what
// nvcc makes of this file:
//   nvcc -std=c++20 -arch=sm_80 -lineinfo -ptx counted.cu
// without the debugging sections at its end, and with this file's name alone in .file.

extern "C" __global__ void copy(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}

extern "C" __global__ void strided_copy(const float* x, float* y, int stride) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i * stride];
}

// Matrices of n x n, tiles of 32 x 32, a block of 32 x 32 threads each.
extern "C" __global__ void transpose_naive(const float* x, float* y, int n) {
  const int column = blockIdx.x * 32 + threadIdx.x;
  const int row = blockIdx.y * 32 + threadIdx.y;
  y[column * n + row] = x[row * n + column];
}

template <int kPitch, bool kSwizzled>
__device__ void transpose_through(float (*tile)[kPitch], const float* x, float* y, int n) {
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int from = (blockIdx.y * 32 + ty) * n + blockIdx.x * 32 + tx;
  const int to = (blockIdx.x * 32 + ty) * n + blockIdx.y * 32 + tx;
  tile[ty][kSwizzled ? tx ^ ty : tx] = x[from];
  __syncthreads();
  y[to] = tile[tx][kSwizzled ? ty ^ tx : ty];
}

extern "C" __global__ void transpose_tiled(const float* x, float* y, int n) {
  __shared__ float tile[32][32];
  transpose_through<32, false>(tile, x, y, n);
}

extern "C" __global__ void transpose_padded(const float* x, float* y, int n) {
  __shared__ float tile[32][33];
  transpose_through<33, false>(tile, x, y, n);
}

extern "C" __global__ void transpose_swizzled(const float* x, float* y, int n) {
  __shared__ float tile[32][32];
  transpose_through<32, true>(tile, x, y, n);
}

// c = a * b for n x n matrices, one output per thread, tiles of 16 x 16.
extern "C" __global__ void product_tiled(const float* a, const float* b, float* c, int n) {
  __shared__ float a_tile[16][16];
  __shared__ float b_tile[16][16];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int row = blockIdx.y * 16 + ty, column = blockIdx.x * 16 + tx;
  float sum = 0;
  for (int k = 0; k < n; k += 16) {
    a_tile[ty][tx] = a[row * n + k + tx];
    b_tile[ty][tx] = b[(k + ty) * n + column];
    __syncthreads();
    for (int i = 0; i < 16; ++i) sum += a_tile[ty][i] * b_tile[i][tx];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

// A thread per row of a sparse matrix: rows have different lengths.
extern "C" __global__ void row_sums(const int* offsets, const float* values, float* sums) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0;
#pragma unroll 1
  for (int i = offsets[row]; i < offsets[row + 1]; ++i) {
    sum += values[i];
  }
  sums[row] = sum;
}

// Lanes skip different iterations of one loop.
extern "C" __global__ void conditional(const float* x, float* y, int n) {
  const int lane = threadIdx.x;
  float sum = 0;
#pragma unroll 1
  for (int i = 0; i < n; ++i) {
    if ((i + lane) % 4 != 0) continue;
    sum += x[i * 32 + lane];
  }
  y[lane] = sum;
}

// Lane l runs l % 4 + 1 times through a loop of l % 3 + 1 rounds.
extern "C" __global__ void nested(const float* x, float* y) {
  const int lane = threadIdx.x;
  float sum = 0;
#pragma unroll 1
  for (int i = 0; i < lane % 4 + 1; ++i) {
#pragma unroll 1
    for (int j = 0; j < lane % 3 + 1; ++j) {
      sum += x[j * 32 + lane];
    }
    y[lane] = sum;
  }
}

extern "C" __global__ void histogram(const int* values, int* bins) {
  atomicAdd(&bins[values[blockIdx.x * blockDim.x + threadIdx.x]], 1);
}

extern "C" __global__ void histogram_shared(const int* values, int* bins) {
  __shared__ int mine[64];
  mine[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&mine[values[blockIdx.x * blockDim.x + threadIdx.x]], 1);
  __syncthreads();
  atomicAdd(&bins[threadIdx.x], mine[threadIdx.x]);
}

// c = a * b of 16 x 16 and 16 x 8 bfloat16 numbers by one warp; b lies transposed.
extern "C" __global__ void tensor_core(const unsigned* a, const unsigned* b, float* c) {
  const int lane = threadIdx.x, line = lane / 4, at = lane % 4;
  const unsigned a0 = a[line * 8 + at], a1 = a[(line + 8) * 8 + at];
  const unsigned a2 = a[line * 8 + at + 4], a3 = a[(line + 8) * 8 + at + 4];
  const unsigned b0 = b[line * 8 + at], b1 = b[line * 8 + at + 4];
  float c0 = 0, c1 = 0, c2 = 0, c3 = 0;
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  c[line * 8 + at * 2] = c0;
  c[line * 8 + at * 2 + 1] = c1;
  c[(line + 8) * 8 + at * 2] = c2;
  c[(line + 8) * 8 + at * 2 + 1] = c3;
}

// A block's sum by shuffles, double precision on the way.
extern "C" __global__ void block_sum(const float* x, double* sum) {
  __shared__ double parts[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  double mine = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (int step = 16; step > 0; step /= 2) {
    mine += __shfl_xor_sync(0xFFFFFFFFU, mine, step);
  }
  if (lane == 0) parts[warp] = mine;
  __syncthreads();
  if (threadIdx.x == 0) {
    double all = 0;
    for (int i = 0; i < blockDim.x / 32; ++i) all += parts[i];
    sum[blockIdx.x] = all;
  }
}

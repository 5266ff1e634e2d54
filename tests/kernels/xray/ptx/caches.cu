// The kernels whose traffic with DRAM tests/kernels/xray/cache_test.cpp derives by hand. caches.ptx
// is what nvcc makes of this file, as the head of counted.cu says.

/// Adds x to itself, read once more by another warp instruction after all of it was read.
extern "C" __global__ void read_twice(const float* x, float* y, int n) {
  float sum = 0;
#pragma unroll 1
  for (int round = 0; round < 2; ++round) {
#pragma unroll 1
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  }
  y[threadIdx.x] = sum;
}

/// A warp per row of 32 numbers: row i of y is row rows[i] of x.
extern "C" __global__ void gather_rows(const float* x, const int* rows, float* y) {
  y[blockIdx.x * 32 + threadIdx.x] = x[rows[blockIdx.x] * 32 + threadIdx.x];
}

/// The same with rows of 4 numbers, half a sector, eight to a warp.
extern "C" __global__ void gather_short_rows(const float* x, const int* rows, float* y) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  y[i] = x[rows[i / 4] * 4 + i % 4];
}

/// Writes its numbers three times over.
extern "C" __global__ void write_again(float* y, int n) {
#pragma unroll 1
  for (int round = 0; round < 3; ++round) {
#pragma unroll 1
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = static_cast<float>(round);
  }
}

// Copies that compute where to read and write in several ways; tests/kernels/xray/horizon_test.cpp
// and tests/app/xray_horizon_test.cpp say from which size on each goes wrong. indices.ptx is what
// nvcc makes of this file, as the head of counted.cu says.

extern "C" __global__ void with_int(const float* x, float* y, long long n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}

extern "C" __global__ void with_unsigned(const float* x, float* y, long long n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}

extern "C" __global__ void with_size_t(const float* x, float* y, long long n) {
  const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}

/// A block per row of `width` numbers, which are few; their product with the row is not.
extern "C" __global__ void rows_with_int(const float* x, float* y, int width) {
  const int at = blockIdx.x * width + threadIdx.x;
  y[at] = x[at];
}

extern "C" __global__ void rows_with_size_t(const float* x, float* y, int width) {
  const long long at = static_cast<long long>(blockIdx.x) * width + threadIdx.x;
  y[at] = x[at];
}

/// A block per row in y, where a grid may have 65535.
extern "C" __global__ void rows_in_y(const float* x, float* y) {
  const long long at = static_cast<long long>(blockIdx.y) * 32 + threadIdx.x;
  y[at] = x[at];
}

/// Counts down from an unsigned index beyond 2^31, which is no fault.
extern "C" __global__ void backwards(const float* x, float* y, unsigned n) {
  const unsigned i = n - 1 - (blockIdx.x * blockDim.x + threadIdx.x);
  y[i] = x[i];
}

/// Mixes an index as random numbers do; what wraps around there never becomes an address unmixed.
extern "C" __global__ void hashed(const float* x, float* y, long long n) {
  const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  const unsigned mixed = static_cast<unsigned>(threadIdx.x + 7) * 2654435761U;
  if (i < n) y[i] = x[mixed >> 20];
}

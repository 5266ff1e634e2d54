// Softmax of x [rows, columns] as textbooks have it: a block takes a row, and halves what is left
// of maximum and sum in shared memory until one number is.

constexpr int kThreads = 256;

extern "C" __global__ void softmax_halving(float* y, const float* x, int columns) {
  __shared__ float part[kThreads];
  const int i = threadIdx.x;
  const float* row = x + static_cast<long long>(blockIdx.x) * columns;
  float* out = y + static_cast<long long>(blockIdx.x) * columns;

  float largest = __int_as_float(0xff800000);  // -inf
  for (int column = i; column < columns; column += kThreads) largest = fmaxf(largest, row[column]);
  part[i] = largest;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (i < half) part[i] = fmaxf(part[i], part[i + half]);
  }
  __syncthreads();
  largest = part[0];
  __syncthreads();

  float sum = 0;
  for (int column = i; column < columns; column += kThreads) sum += expf(row[column] - largest);
  part[i] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (i < half) part[i] += part[i + half];
  }
  __syncthreads();
  sum = part[0];

  for (int column = i; column < columns; column += kThreads) {
    out[column] = expf(row[column] - largest) / sum;
  }
}

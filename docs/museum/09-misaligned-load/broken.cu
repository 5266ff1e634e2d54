// Sums the rows of a matrix, four columns at a time. Six columns: every second row begins at an
// address that is no multiple of 16.
//
// xray: --kernel row_sums --block 4 --check
// xray: --arg zeros:f32:4 --arg iota:f32:24 --arg 6
// xray: --expect 0=values:f32:15,51,87,123

extern "C" __global__ void row_sums(float* out, const float* in, int columns) {
  const float* row = in + threadIdx.x * columns;
  float sum = 0;
  int i = 0;
  for (; i + 4 <= columns; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(row + i);
    sum += four.x + four.y + four.z + four.w;
  }
  for (; i < columns; ++i) sum += row[i];
  out[threadIdx.x] = sum;
}

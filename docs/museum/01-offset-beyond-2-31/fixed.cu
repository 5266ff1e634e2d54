// Copies rows of an embedding table of 262,144 x 8,960 bytes. Each block copies one row.
//
// xray: --kernel gather_rows --grid 2 --block 128 --check
// xray: --arg zeros:u8:17920 --arg zeros:u8:2348810240 --arg values:i32:7,255999 --arg 8960
// xray: --expect 0=zeros:u8:17920

extern "C" __global__ void gather_rows(unsigned char* out, const unsigned char* table,
                                       const int* rows, int width) {
  const int row = rows[blockIdx.x];
  for (int column = threadIdx.x; column < width; column += blockDim.x) {
    const long long from = static_cast<long long>(row) * width + column;
    out[blockIdx.x * width + column] = table[from];
  }
}

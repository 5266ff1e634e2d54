// Clears 70,000 rows of 32 numbers. Each block clears one row.
//
// xray: --kernel clear_rows --grid 1,70000 --block 32
// xray: --arg values:u8:1*2240000
// xray: --expect 0=zeros:u8:2240000

extern "C" __global__ void clear_rows(unsigned char* x) { x[blockIdx.y * 32 + threadIdx.x] = 0; }

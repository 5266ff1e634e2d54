// Reverses 128 numbers through shared memory, which cp.async fills.
//
// xray: --kernel reverse --block 128 --check
// xray: --arg zeros:f32:128 --arg zeros:f32:128

extern "C" __global__ void reverse(float* out, const float* in) {
  __shared__ float tile[128];
  const int i = threadIdx.x;
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(tile + i));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(in + i) : "memory");
  asm volatile("cp.async.commit_group;" ::: "memory");
  asm volatile("cp.async.wait_group 0;" ::: "memory");
  __syncthreads();
  out[i] = tile[127 - i];
}

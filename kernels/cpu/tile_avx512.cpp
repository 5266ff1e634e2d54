#include <cstdint>
#include <cstring>

#include "kernels/cpu/tile_product.h"

// From here on the compiler may use AVX-512; who calls asks the processor first.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,fma")
#include <immintrin.h>
#elif defined(__SSE2__)
#include <immintrin.h>
#endif

namespace switchyard::kernels::tile {
namespace {

// 28 sums, 2 vectors of b; the broadcasts are operands of the multiplications: 30 of 32 registers.
constexpr std::size_t kVectorBytes = 64;
constexpr int kRows = kRowsAvx512;

#include "kernels/cpu/tile_kernel.h"

}  // namespace

template <class T>
Kernels<T> kernels_avx512() {
  return all_kernels<T>();
}
template Kernels<float> kernels_avx512();
template Kernels<double> kernels_avx512();
template Kernels<BFloat16> kernels_avx512();

}  // namespace switchyard::kernels::tile

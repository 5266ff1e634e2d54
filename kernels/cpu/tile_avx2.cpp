#include <cstdint>
#include <cstring>

#include "kernels/cpu/tile_product.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace switchyard::kernels::tile {
namespace {

// 12 sums, 2 vectors of b and a broadcast element fill the 16 registers. Another processor's
// compiler cuts the vectors up as it needs to.
constexpr std::size_t kVectorBytes = 32;
constexpr int kRows = kRowsAvx2;

#include "kernels/cpu/tile_kernel.h"

}  // namespace

template <class T>
Kernels<T> kernels_avx2() {
  return all_kernels<T>();
}
template Kernels<float> kernels_avx2();
template Kernels<double> kernels_avx2();
template Kernels<BFloat16> kernels_avx2();

}  // namespace switchyard::kernels::tile

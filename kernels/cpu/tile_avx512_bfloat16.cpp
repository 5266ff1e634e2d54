#include <cstdint>
#include <cstring>

#include "kernels/cpu/tile_product.h"

// From here on the compiler may use AVX512-BF16; who calls asks the processor first.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512bf16,fma")
#include <immintrin.h>
#define SWITCHYARD_DOT_BFLOAT16
#elif defined(__SSE2__)
#include <immintrin.h>
#endif

namespace switchyard::kernels::tile {
namespace {

constexpr std::size_t kVectorBytes = 64;
constexpr int kRows = kRowsAvx512;

#include "kernels/cpu/tile_kernel.h"

}  // namespace

Kernels<BFloat16> kernels_avx512_bfloat16() { return all_kernels<BFloat16>(); }

}  // namespace switchyard::kernels::tile

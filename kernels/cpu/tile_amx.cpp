#include <cstdint>
#include <cstring>

#include "kernels/cpu/tile_product.h"

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#pragma GCC target("amx-tile,amx-bf16,avx512f")
#include <immintrin.h>
#define SWITCHYARD_AMX
#endif

// AMX multiplies a tile of 16 rows and 16 pairs of terms with one of 16 pairs and 16 columns, and
// adds the products to a tile of 16 x 16 sums (Intel 64 and IA-32 Architectures Software
// Developer's Manual, TDPBF16PS). Four tiles of sums share two of each operand.

namespace switchyard::kernels::tile {

#ifdef SWITCHYARD_AMX
namespace {

constexpr int kSide = 16;

/// The palette: every tile has 16 rows of 64 bytes.
struct alignas(64) Configuration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

void begin_tiles() {
  static const Configuration configuration = [] {
    Configuration all;
    for (int tile = 0; tile < 8; ++tile) {
      all.row_bytes[tile] = 64;
      all.rows[tile] = kSide;
    }
    return all;
  }();
  _tile_loadconfig(&configuration);
}
void end_tiles() { _tile_release(); }

/// GCC's tile loads and stores do not say that they touch memory: what was written before is in
/// place, and what is read behind is read anew.
inline void memory_is_touched(const void* first, const void* second) {
  __asm__ volatile("" : : "r"(first), "r"(second) : "memory");
}

/// Tiles 0 ... 3 are sums, by rows; 4 and 5 of the left operand, 6 and 7 of the right one.
template <int kVectors>
void multiply(const BFloat16Pair* a, const BFloat16Pair* b, std::int64_t b_stride) {
  constexpr auto kStride = kPackedRow * static_cast<std::int64_t>(sizeof(BFloat16Pair));
  const auto right = b_stride * static_cast<std::int64_t>(sizeof(BFloat16Pair));
  _tile_loadd(6, b, right);
  _tile_loadd(4, a, kStride);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(5, a + kSide * kPackedRow, kStride);
  _tile_dpbf16ps(2, 5, 6);
  if constexpr (kVectors == 2) {
    _tile_loadd(7, b + kSide, right);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(3, 5, 7);
  }
}

/// Neither fetches ahead nor streams: a step is 16 elements deep, and sums go to memory by tiles.
template <int kVectors>
void product(const BFloat16Pair* a, const BFloat16Pair* b, std::int64_t b_stride,
             std::int64_t depth, float* c, std::int64_t c_stride, TileWrite write, const Ahead&) {
  const auto stride = c_stride * static_cast<std::int64_t>(sizeof(float));
  memory_is_touched(a, b);
  if (write == TileWrite::kAdd) {
    _tile_loadd(0, c, stride);
    _tile_loadd(2, c + kSide * c_stride, stride);
    if constexpr (kVectors == 2) {
      _tile_loadd(1, c + kSide, stride);
      _tile_loadd(3, c + kSide * c_stride + kSide, stride);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  std::int64_t k = 0;
  for (; k + kSide <= depth; k += kSide) multiply<kVectors>(a + k, b + k * b_stride, b_stride);
  if (k < depth) {  // what is left of both, with zeros behind it
    alignas(64) BFloat16Pair left[2 * kSide * kPackedRow];
    alignas(64) BFloat16Pair right[kSide * kVectors * kSide] = {};
    for (int row = 0; row < 2 * kSide; ++row) {
      std::memset(static_cast<void*>(left + row * kPackedRow), 0, kSide * sizeof(BFloat16Pair));
      std::memcpy(left + row * kPackedRow, a + row * kPackedRow + k,
                  static_cast<std::size_t>(depth - k) * sizeof(BFloat16Pair));
    }
    for (std::int64_t row = 0; row < depth - k; ++row) {
      std::memcpy(right + row * kVectors * kSide, b + (k + row) * b_stride,
                  kVectors * kSide * sizeof(BFloat16Pair));
    }
    memory_is_touched(left, right);
    multiply<kVectors>(left, right, kVectors * kSide);
  }
  _tile_stored(0, c, stride);
  _tile_stored(2, c + kSide * c_stride, stride);
  if constexpr (kVectors == 2) {
    _tile_stored(1, c + kSide, stride);
    _tile_stored(3, c + kSide * c_stride + kSide, stride);
  }
  memory_is_touched(c, c);
}

}  // namespace

bool amx_is_granted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of Linux
  constexpr long kTileData = 18;               // the state component of the tiles
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

Kernels<BFloat16> kernels_amx() {
  return {kRowsAmx, kSide, {product<1>, product<2>}, {nullptr, nullptr}, begin_tiles, end_tiles};
}
#else
bool amx_is_granted() { return false; }
Kernels<BFloat16> kernels_amx() { return kernels_avx2<BFloat16>(); }
#endif

}  // namespace switchyard::kernels::tile

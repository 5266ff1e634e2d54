#include "kernels/cpu/tile_product.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/panel.h"
#include "kernels/cpu/scratch.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace switchyard::kernels {
namespace {

bool has_avx512() {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool has_avx512_bfloat16() {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
  return has_avx512() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

template <class T>
tile::Kernels<T> best_kernels() {
  if constexpr (kTermsOf<T> == 2) {
    if (tile::amx_is_granted()) return tile::kernels_amx();
    if (has_avx512_bfloat16()) return tile::kernels_avx512_bfloat16();
  }
  return has_avx512() ? tile::kernels_avx512<T>() : tile::kernels_avx2<T>();
}

template <class T>
const tile::Kernels<T>& kernels() {
  static const tile::Kernels<T> chosen = best_kernels<T>();
  return chosen;
}

/// Within its scope a thread may call the kernels.
template <class T>
class KernelScope {
 public:
  explicit KernelScope(const tile::Kernels<T>& kernels) : kernels_(kernels) {
    if (kernels.begin != nullptr) kernels.begin();
  }
  ~KernelScope() {
    if (kernels_.end != nullptr) kernels_.end();
  }
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  const tile::Kernels<T>& kernels_;
};

constexpr std::int64_t kLine = 64;  // bytes of a cache line

/// Elements between the packed left operands of neighbouring tiles.
constexpr std::int64_t kPackedTile = tile::kMostRows * tile::kPackedRow;

/// Tiles whose left operands are packed together where neighbouring rows lie beside each other in
/// memory: each term's are read in one stretch, which the processor fetches ahead.
constexpr std::int64_t kPackedTogether = 32;

/// One element of row `row` at term k of a matrix that is stored transposed.
template <class T>
ElementOf<T> element_of(const T* from, std::int64_t stride, std::int64_t depth, std::int64_t k,
                        std::int64_t row) {
  if constexpr (kTermsOf<T> == 1) {
    return from[k * stride + row];
  } else {
    return {from[k * stride + row], k + 1 < depth ? from[(k + 1) * stride + row] : BFloat16(0.0F)};
  }
}

/// kRows neighbours of each step for each of `tiles` whole tiles: a copy whose size the compiler
/// knows, for tens of bytes a call.
template <std::int64_t kRows, class T>
void pack_whole(const T* from, std::int64_t stride, std::int64_t tiles, std::int64_t depth,
                ElementOf<T>* packed) {
  for (std::int64_t k = 0; k < depth; k += kTermsOf<T>) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      ElementOf<T>* const to = packed + tile * kPackedTile + k / kTermsOf<T> * kRows;
      if constexpr (kTermsOf<T> == 1) {
        std::memcpy(to, from + k * stride + tile * kRows, kRows * sizeof(T));
      } else {
        for (std::int64_t i = 0; i < kRows; ++i) {
          to[i] = element_of(from, stride, depth, k, tile * kRows + i);
        }
      }
    }
  }
}

/// Where row `i` of a packed left operand of rows lies.
template <class Element>
Element* packed_row(Element* packed, std::int64_t i, std::int64_t tile_rows) {
  return packed + i / tile_rows * kPackedTile + i % tile_rows * tile::kPackedRow;
}

std::int64_t whole_tiles(std::int64_t rows, std::int64_t tile_rows) {
  return (rows + tile_rows - 1) / tile_rows * tile_rows;
}

/// Rows of a as they lie, each kPackedRow elements behind the one before.
template <class T>
void pack_rows(const MatrixView<T>& a, std::int64_t first, std::int64_t rows,
               std::int64_t tile_rows, std::int64_t from, std::int64_t depth,
               ElementOf<T>* packed) {
  const std::int64_t elements = elements_for<T>(depth);
  for (std::int64_t i = 0; i < whole_tiles(rows, tile_rows); ++i) {
    ElementOf<T>* const to = packed_row(packed, i, tile_rows);
    if (i >= rows) {
      std::fill_n(to, elements, ElementOf<T>{});
      continue;
    }
    to[elements - 1] = ElementOf<T>{};  // the term that an odd depth lacks
    std::memcpy(static_cast<void*>(to), a.data + (first + i) * a.stride + from,
                static_cast<std::size_t>(depth) * sizeof(T));
  }
}

/// Pairs of neighbouring terms of `rows` columns of a stored matrix, as rows: for kernels that read
/// every left operand by rows. Eight pairs at a time are put together as they lie, and turned.
void pack_turned(const BFloat16* source, std::int64_t stride, std::int64_t rows,
                 std::int64_t tile_rows, std::int64_t depth, BFloat16Pair* packed) {
  constexpr std::int64_t kMostPacked = kPackedTogether * tile::kMostRows;
  using internal::kSquare;
  const std::int64_t padded = whole_tiles(rows, tile_rows);
  alignas(64) float pairs[kSquare][kMostPacked];  // bits, which only move
  for (std::int64_t k = 0; k < depth; k += 2 * kSquare) {
    for (std::int64_t p = 0; p < kSquare; ++p) {
      const std::int64_t term = k + 2 * p;
      auto* const to = reinterpret_cast<BFloat16Pair*>(pairs[p]);
      const BFloat16* const low = source + term * stride;
      const BFloat16* const high = low + stride;
      if (term + 1 < depth) {
        for (std::int64_t i = 0; i < rows; ++i) to[i] = {low[i], high[i]};
      } else {
        for (std::int64_t i = 0; i < rows; ++i) {
          to[i] = {term < depth ? low[i] : BFloat16(0.0F), BFloat16(0.0F)};
        }
      }
      std::fill(to + rows, to + padded, BFloat16Pair{});
    }
    for (std::int64_t i = 0; i < padded; i += kSquare) {
      const float* from[kSquare];
      for (std::int64_t p = 0; p < kSquare; ++p) from[p] = pairs[p] + i;
      // A tile has a multiple of 8 rows here, and room for a whole square behind its last pair.
      auto* const to = reinterpret_cast<float*>(packed_row(packed, i, tile_rows) + k / 2);
      internal::turn_square(from, to, tile::kPackedRow);
    }
  }
}

/// Rows [first, first + rows) and terms [from, from + depth) of a, in the order in which a kernel
/// of `tile_rows` reads them, kPackedTile elements for each tile; rows that are missing to the last
/// tile are zeros.
template <class T>
void pack(const tile::Kernels<T>& kernel, const MatrixView<T>& a, std::int64_t first,
          std::int64_t rows, std::int64_t from, std::int64_t depth, ElementOf<T>* packed) {
  const std::int64_t tile_rows = kernel.rows;
  if (!a.transposed) return pack_rows(a, first, rows, tile_rows, from, depth, packed);
  const T* const source = a.data + from * a.stride + first;
  if (kernel.by_depth[1] == nullptr) {
    if constexpr (kTermsOf<T> == 2) {
      return pack_turned(source, a.stride, rows, tile_rows, depth, packed);
    }
  }
  const std::int64_t whole = rows / tile_rows;
  if (tile_rows == tile::kRowsAvx512) {
    pack_whole<tile::kRowsAvx512>(source, a.stride, whole, depth, packed);
  } else {
    pack_whole<tile::kRowsAvx2>(source, a.stride, whole, depth, packed);
  }
  for (std::int64_t k = 0; whole * tile_rows < rows && k < depth; k += kTermsOf<T>) {
    ElementOf<T>* const to = packed + whole * kPackedTile + k / kTermsOf<T> * tile_rows;
    for (std::int64_t i = 0; i < tile_rows; ++i) {
      const std::int64_t row = whole * tile_rows + i;
      to[i] = row < rows ? element_of(source, a.stride, depth, k, row) : ElementOf<T>{};
    }
  }
}

/// One tile of c, of `rows` rows and `columns` columns. One at the edge, narrower than the kernel,
/// is computed beside c and copied as far as c reaches.
template <class T>
void one_tile(tile::Kernel<T> kernel, std::int64_t kernel_rows, std::int64_t kernel_columns,
              std::int64_t rows, std::int64_t columns, const ElementOf<T>* packed,
              const ElementOf<T>* b, std::int64_t b_stride, std::int64_t depth, ResultOf<T>* c,
              std::int64_t c_stride, TileWrite write, const tile::Ahead& ahead) {
  if (rows == kernel_rows && columns == kernel_columns) {
    return kernel(packed, b, b_stride, depth, c, c_stride, write, ahead);
  }
  alignas(kLine) ResultOf<T> whole[tile::kMostRows * 2 * tile::kMostLanes] = {};
  for (std::int64_t i = 0; write == TileWrite::kAdd && i < rows; ++i) {
    std::copy_n(c + i * c_stride, columns, whole + i * kernel_columns);
  }
  if (write == TileWrite::kStream) write = TileWrite::kReplace;
  kernel(packed, b, b_stride, depth, whole, kernel_columns, write, ahead);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(whole + i * kernel_columns, columns, c + i * c_stride);
  }
}

/// One line that is in the cache.
tile::Ahead nothing_ahead(const void* near) {
  return {.at = static_cast<const char*>(near), .line_bytes = 0, .lines = 1, .skip = 0};
}

/// The rows that the next tile packs, of a left operand that lies by rows: as many lines as a
/// kernel takes steps, or fewer. Without it the kernel waits for memory, and then memory for the
/// kernel.
template <class T>
tile::Ahead rows_ahead(const MatrixView<T>& a, std::int64_t rows, std::int64_t next,
                       std::int64_t from, std::int64_t depth) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  if (a.transposed || next >= rows) return nothing_ahead(&a);
  const std::int64_t lines = (depth * kSize + kLine - 1) / kLine;
  return {.at = reinterpret_cast<const char*>(a.data + next * a.stride + from),
          .line_bytes = kLine,
          .lines = lines,
          .skip = a.stride * kSize - lines * kLine};
}

template <class T>
void clear_without_terms(std::int64_t rows, std::int64_t columns, T* c, std::int64_t c_stride,
                         TileWrite write) {
  for (std::int64_t i = 0; write != TileWrite::kAdd && i < rows; ++i)
    std::fill_n(c + i * c_stride, columns, T{0});
}

/// Whether rows of c begin with a cache line, as numbers that are streamed must.
template <class T>
bool takes_lines(const T* c, std::int64_t c_stride) {
  return reinterpret_cast<std::uintptr_t>(c) % kLine == 0 &&
         c_stride * static_cast<std::int64_t>(sizeof(T)) % kLine == 0;
}

/// What was streamed is in place before anything that this thread writes from now on.
void end_of_stream() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace

template <class T>
std::int64_t tile_lanes() {
  return kernels<T>().lanes;
}

template <class T>
void tile_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, MatrixView<T> a,
                  const ElementOf<T>* b, std::int64_t b_stride, ResultOf<T>* c,
                  std::int64_t c_stride, TileWrite write) {
  if (depth == 0) return clear_without_terms(rows, columns, c, c_stride, write);
  const tile::Kernels<T>& kernel = kernels<T>();
  const KernelScope<T> scope(kernel);
  const bool by_depth = a.transposed && kernel.by_depth[1] != nullptr;
  const auto& by_width = by_depth ? kernel.by_depth : kernel.by_rows;
  const std::int64_t together = a.transposed ? kPackedTogether : 1;
  auto* const packed = scratch<ElementOf<T>>(Scratch::kPackedTiles,
                                             static_cast<std::size_t>(together * kPackedTile));
  for (std::int64_t from = 0; from < depth; from += kTileDepth * kTermsOf<T>) {
    const std::int64_t terms = std::min(kTileDepth * kTermsOf<T>, depth - from);
    for (std::int64_t first = 0; first < rows; first += kernel.rows) {
      const std::int64_t tile = first / kernel.rows % together;
      if (tile == 0) {
        pack(kernel, a, first, std::min(together * kernel.rows, rows - first), from, terms, packed);
      }
      tile::Ahead ahead = rows_ahead(a, rows, first + kernel.rows, from, terms);
      for (std::int64_t column = 0; column < columns;) {
        const bool two = columns - column > kernel.lanes;
        const std::int64_t width = two ? 2 * kernel.lanes : kernel.lanes;
        one_tile<T>(by_width[two], kernel.rows, width, std::min(kernel.rows, rows - first),
                    std::min(width, columns - column), packed + tile * kPackedTile,
                    b + from / kTermsOf<T> * b_stride + column, b_stride, elements_for<T>(terms),
                    c + first * c_stride + column, c_stride, from > 0 ? TileWrite::kAdd : write,
                    ahead);
        ahead = nothing_ahead(packed);
        column += width;
      }
    }
  }
}

template <class T>
void tile_product_strips(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                         MatrixView<T> a, const ElementOf<T>* b, std::int64_t strip_stride,
                         ResultOf<T>* c, std::int64_t c_stride, TileWrite write) {
  if (depth == 0) return clear_without_terms(rows, columns, c, c_stride, write);
  const tile::Kernels<T>& kernel = kernels<T>();
  const KernelScope<T> scope(kernel);
  const bool by_depth = a.transposed && kernel.by_depth[1] != nullptr;
  const tile::Kernel<T> tile_kernel = by_depth ? kernel.by_depth[1] : kernel.by_rows[1];
  const std::int64_t width = 2 * kernel.lanes;
  const std::int64_t tiles = (rows + kernel.rows - 1) / kernel.rows;
  const bool one_pass = depth <= kTileDepth * kTermsOf<T>;
  if (write == TileWrite::kStream && !(one_pass && takes_lines(c, c_stride))) {
    write = TileWrite::kReplace;
  }
  auto* const packed =
      scratch<ElementOf<T>>(Scratch::kPackedTiles, static_cast<std::size_t>(tiles * kPackedTile));
  for (std::int64_t from = 0; from < depth; from += kTileDepth * kTermsOf<T>) {
    const std::int64_t terms = std::min(kTileDepth * kTermsOf<T>, depth - from);
    for (std::int64_t tile = 0; tile < tiles; tile += kPackedTogether) {
      const std::int64_t first = tile * kernel.rows;
      pack(kernel, a, first, std::min(kPackedTogether * kernel.rows, rows - first), from, terms,
           packed + tile * kPackedTile);
    }
    for (std::int64_t column = 0; column < columns; column += width) {
      const ElementOf<T>* const strip =
          b + column / width * strip_stride + from / kTermsOf<T> * width;
      for (std::int64_t tile = 0; tile < tiles; ++tile) {
        const std::int64_t first = tile * kernel.rows;
        one_tile<T>(tile_kernel, kernel.rows, width, std::min(kernel.rows, rows - first),
                    std::min(width, columns - column), packed + tile * kPackedTile, strip, width,
                    elements_for<T>(terms), c + first * c_stride + column, c_stride,
                    from > 0 ? TileWrite::kAdd : write, nothing_ahead(packed));
      }
    }
  }
  if (write == TileWrite::kStream) end_of_stream();
}

template std::int64_t tile_lanes<float>();
template std::int64_t tile_lanes<double>();
template std::int64_t tile_lanes<BFloat16>();
#define SWITCHYARD_TILE_PRODUCTS(T)                                                                \
  template void tile_product(std::int64_t, std::int64_t, std::int64_t, MatrixView<T>,              \
                             const ElementOf<T>*, std::int64_t, ResultOf<T>*, std::int64_t,        \
                             TileWrite);                                                           \
  template void tile_product_strips(std::int64_t, std::int64_t, std::int64_t, MatrixView<T>,       \
                                    const ElementOf<T>*, std::int64_t, ResultOf<T>*, std::int64_t, \
                                    TileWrite)
SWITCHYARD_TILE_PRODUCTS(float);
SWITCHYARD_TILE_PRODUCTS(double);
SWITCHYARD_TILE_PRODUCTS(BFloat16);
#undef SWITCHYARD_TILE_PRODUCTS

}  // namespace switchyard::kernels

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/winograd_form.h"

// Tiles out of images and back, through the matrices of Winograd's algorithm, eight channels at a
// time. The products at the points of the transformed tiles are winograd.cpp's.

namespace switchyard::kernels::winograd {

inline constexpr std::int64_t kLanes = 8;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));  // of eight channels

/// Σ_j M[i][j] x[j · stride], without the zeros of M.
template <const auto& M, int I, std::size_t... J>
Lanes row_times(const Lanes* x, int stride, std::index_sequence<J...>) {
  Lanes sum = {};
  const auto add = [&]<std::size_t Column>() {
    if constexpr (M[I][Column] == 1) sum += x[Column * stride];
    if constexpr (M[I][Column] == -1) sum -= x[Column * stride];
    if constexpr (M[I][Column] * M[I][Column] != 1 && M[I][Column] != 0) {
      sum += M[I][Column] * x[Column * stride];
    }
  };
  (add.template operator()<J>(), ...);
  return sum;
}

/// M x for a column x, elements `stride` apart, to y, likewise.
template <const auto& M, std::size_t... I>
void times_column(const Lanes* x, int stride, Lanes* y, int y_stride, std::index_sequence<I...>) {
  constexpr auto kColumns = std::make_index_sequence<M[0].size()>{};
  ((y[I * y_stride] = row_times<M, I>(x, stride, kColumns)), ...);
}

/// y [R, R] = M x Mᵀ for x [S, S] and M [R, S].
template <const auto& M>
void transform(const Lanes* x, Lanes* y) {
  constexpr int kRows = M.size();
  constexpr int kColumns = M[0].size();
  constexpr auto kEach = std::make_index_sequence<kRows>{};
  Lanes half[kRows * kColumns];
  for (int j = 0; j < kColumns; ++j) times_column<M>(x + j, kColumns, half + j, kColumns, kEach);
  for (int i = 0; i < kRows; ++i) times_column<M>(half + i * kColumns, 1, y + i * kRows, 1, kEach);
}

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}
inline void store(const Lanes& lanes, float* to) { std::memcpy(to, &lanes, sizeof lanes); }

/// Sizes of images [N, H, W, C].
struct Images {
  std::int64_t height, width, channels;
};

/// Says where tiles lie in images: the tile of the output pixel (i, j) begins at the pixel
/// (stride · i - padding, stride · j - padding).
struct Grid {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
};

/// The tiles of one convolution's output, in blocks whose transforms stay in the cache. The sizes
/// depend on the shape alone, so sums over blocks have the same bits for any thread count.
struct Tiling {
  std::int64_t rows, columns, count, block;

  /// Sizes the blocks for matrices of `channels` columns in all at each of `points` points.
  Tiling(std::int64_t batch, const Images& out, int points, std::int64_t channels)
      : rows((out.height + kOut - 1) / kOut),
        columns((out.width + kOut - 1) / kOut),
        count(batch * rows * columns) {
    constexpr std::int64_t kBlockBytes = 1 << 20;
    constexpr std::int64_t kSmallest = 128;  // rows of a product
    const auto tile_bytes = static_cast<std::int64_t>(points * sizeof(float)) * channels;
    block = std::min(count, std::max(kSmallest, kBlockBytes / tile_bytes));
  }

  std::int64_t per_image() const { return rows * columns; }
  /// Makes blocks whole images, for work that one thread does image by image.
  void round_blocks_up_to_images() {
    block = std::min(count, (block + per_image() - 1) / per_image() * per_image());
  }

  struct Place {
    std::int64_t image, top, left;  // of a tile's first pixel, which may lie outside
  };
  Place place(std::int64_t tile, const Grid& grid) const {
    return {tile / per_image(), tile / columns % rows * kOut * grid.stride - grid.padding,
            tile % columns * kOut * grid.stride - grid.padding};
  }
  /// body(first tile, tiles) for every block.
  template <class Body>
  void for_each_block(const Body& body) const {
    for (std::int64_t first = 0; first < count; first += block) {
      body(first, std::min(block, count - first));
    }
  }
};

inline constexpr std::int64_t kTilesPerTask = 4;

/// Floats from one point's matrix [tiles, C] to the next one's. A power of two would put all points
/// of a tile into the same few lines of the first-level cache; one cache line more does not.
inline std::int64_t plane_stride(std::int64_t tiles, std::int64_t channels) {
  constexpr std::int64_t kCacheLine = 64 / sizeof(float);
  return tiles * channels + kCacheLine;
}

/// The addresses of the pixels of a tile of `Edge` x `Edge`; null where outside.
template <std::size_t Edge, class T>
std::array<T*, Edge * Edge> pixels_of(const Tiling::Place& place, const Images& images, T* x) {
  std::array<T*, Edge * Edge> pixels;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::int64_t row = place.top + static_cast<std::int64_t>(i / Edge);
    const std::int64_t column = place.left + static_cast<std::int64_t>(i % Edge);
    const bool inside = row >= 0 && row < images.height && column >= 0 && column < images.width;
    pixels[i] =
        inside ? x + ((place.image * images.height + row) * images.width + column) * images.channels
               : nullptr;
  }
  return pixels;
}

/// v [points, tiles, C] = M t Mᵀ for tiles t of `images`, zero outside.
template <const auto& M>
void gather(const Tiling& tiling, std::int64_t first, std::int64_t tiles, const Images& images,
            const Grid& grid, const float* x, float* v) {
  constexpr std::size_t kEdge = M[0].size();
  constexpr std::size_t kValues = M.size() * M.size();
  const std::int64_t channels = images.channels;
  const std::int64_t plane = plane_stride(tiles, channels);
  parallel_for(tiles, kTilesPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const auto pixels = pixels_of<kEdge>(tiling.place(first + tile, grid), images, x);
      float* to = v + tile * channels;
      for (std::int64_t c = 0; c < channels; c += kLanes) {
        Lanes in[kEdge * kEdge];
        Lanes out[kValues];
        for (std::size_t i = 0; i < pixels.size(); ++i) {
          in[i] = pixels[i] == nullptr ? Lanes{} : load(pixels[i] + c);
        }
        transform<M>(in, out);
        for (std::size_t p = 0; p < kValues; ++p) {
          store(out[p], to + static_cast<std::int64_t>(p) * plane + c);
        }
      }
    }
  });
}

/// Lists what happens to a result on its way to memory, in this order.
struct Epilogue {
  const float* bias = nullptr;  // [C], added
  bool accumulate = false;      // adds what is there already
  bool relu = false;
};

/// The other way, for the tiles [begin, end) of a block: tiles M m Mᵀ of m [points, tiles, C], as
/// far as they lie in `images`.
template <const auto& M>
void scatter(const Tiling& tiling, std::int64_t first, std::int64_t tiles, std::int64_t begin,
             std::int64_t end, const Images& images, const Grid& grid, const float* m,
             const Epilogue& epilogue, float* y) {
  constexpr std::size_t kValues = M[0].size() * M[0].size();
  const std::int64_t channels = images.channels;
  const std::int64_t plane = plane_stride(tiles, channels);
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const auto pixels = pixels_of<M.size()>(tiling.place(first + tile, grid), images, y);
    const float* from = m + tile * channels;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes in[kValues];
      Lanes out[M.size() * M.size()];
      for (std::size_t p = 0; p < kValues; ++p) {
        in[p] = load(from + static_cast<std::int64_t>(p) * plane + c);
      }
      transform<M>(in, out);
      const Lanes bias = epilogue.bias == nullptr ? Lanes{} : load(epilogue.bias + c);
      for (std::size_t i = 0; i < pixels.size(); ++i) {
        if (pixels[i] == nullptr) continue;
        Lanes value = out[i] + bias;
        if (epilogue.accumulate) value += load(pixels[i] + c);
        if (epilogue.relu) value = value < 0.0F ? Lanes{} : value;  // keeps NaN
        store(value, pixels[i] + c);
      }
    }
  }
}

}  // namespace switchyard::kernels::winograd

#include "kernels/api/grouped_matmul.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

/// A rectangle of one expert's result.
struct Tile {
  std::int64_t expert, row, rows, col, cols;
};

constexpr std::int64_t kTileEdge = 128;

void append_tiles(std::int64_t expert, std::int64_t rows, std::int64_t cols,
                  std::vector<Tile>& tiles) {
  for (std::int64_t row = 0; row < rows; row += kTileEdge) {
    for (std::int64_t col = 0; col < cols; col += kTileEdge) {
      tiles.push_back(
          {expert, row, std::min(kTileEdge, rows - row), col, std::min(kTileEdge, cols - col)});
    }
  }
}

/// Experts' tiles side by side on all threads: small experts keep the cores busy together, a large
/// one is shared. The tiling depends on the sizes alone, hence so do the bits.
template <class Body>
void for_each_tile(const std::vector<Tile>& tiles, const Body& body) {
  parallel_for(static_cast<std::int64_t>(tiles.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   body(tiles[static_cast<std::size_t>(i)]);
                 }
               });
}

template <class T>
void multiply(const GroupedShape& s, const std::int64_t* offsets, const T* x, const T* w,
              bool transpose_w, T* y) {
  if (s.inner == 0) {
    std::fill_n(y, s.rows * s.cols, T(0));
    return;
  }
  std::vector<Tile> tiles;
  for (std::int64_t e = 0; e < s.experts; ++e) {
    append_tiles(e, offsets[e + 1] - offsets[e], s.cols, tiles);
  }
  for_each_tile(tiles, [&](const Tile& tile) {
    const std::int64_t row = offsets[tile.expert] + tile.row;
    const MatrixView<T> expert_w = {w + tile.expert * s.inner * s.cols,
                                    transpose_w ? s.inner : s.cols, transpose_w};
    gemm(tile.rows, tile.cols, s.inner, {x + row * s.inner, s.inner, false},
         expert_w.from(0, tile.col), y + row * s.cols + tile.col, s.cols);
  });
}

template <class T>
void weight_grad(const GroupedShape& s, const std::int64_t* offsets, const T* x, const T* gy,
                 T* gw) {
  std::vector<Tile> tiles;
  for (std::int64_t e = 0; e < s.experts; ++e) {
    if (offsets[e] == offsets[e + 1]) {
      std::fill_n(gw + e * s.inner * s.cols, s.inner * s.cols, T(0));
    } else {
      append_tiles(e, s.inner, s.cols, tiles);
    }
  }
  for_each_tile(tiles, [&](const Tile& tile) {
    const std::int64_t first = offsets[tile.expert];
    T* expert_gw = gw + tile.expert * s.inner * s.cols;
    gemm(tile.rows, tile.cols, offsets[tile.expert + 1] - first,
         {x + first * s.inner + tile.row, s.inner, true},
         {gy + first * s.cols + tile.col, s.cols, false}, expert_gw + tile.row * s.cols + tile.col,
         s.cols);
  });
}

}  // namespace

// ---- entry points

template <>
void grouped_matmul(Cpu&, const GroupedShape& shape, const std::int64_t* offsets, const float* x,
                    const float* w, bool transpose_w, float* y) {
  multiply(shape, offsets, x, w, transpose_w, y);
}
template <>
void grouped_matmul(Cpu&, const GroupedShape& shape, const std::int64_t* offsets, const double* x,
                    const double* w, bool transpose_w, double* y) {
  multiply(shape, offsets, x, w, transpose_w, y);
}

template <>
void grouped_matmul_weight_grad(Cpu&, const GroupedShape& shape, const std::int64_t* offsets,
                                const float* x, const float* gy, float* gw) {
  weight_grad(shape, offsets, x, gy, gw);
}
template <>
void grouped_matmul_weight_grad(Cpu&, const GroupedShape& shape, const std::int64_t* offsets,
                                const double* x, const double* gy, double* gw) {
  weight_grad(shape, offsets, x, gy, gw);
}

}  // namespace switchyard::kernels

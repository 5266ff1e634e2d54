#include "kernels/api/grouped_matmul.h"

#include <algorithm>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/grouped_tiles.h"
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

/// Adds the bias of the tile's expert to its rows of y.
template <class T>
void add_bias(const GroupedMatmul<T>& a, const Tile& tile) {
  const std::int64_t cols = a.shape.cols;
  const T* const bias = a.bias + tile.expert * cols + tile.col;
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    T* const y = a.y + (a.offsets[tile.expert] + tile.row + r) * cols + tile.col;
    for (std::int64_t c = 0; c < tile.cols; ++c) y[c] += bias[c];
  }
}

template <class T>
void library_tiles(Cpu&, const GroupedMatmul<T>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  if (inner == 0) std::fill_n(a.y, rows * cols, T(0));
  std::vector<Tile> tiles;
  for (std::int64_t e = 0; e < experts; ++e) {
    append_tiles(e, a.offsets[e + 1] - a.offsets[e], cols, tiles);
  }
  for_each_tile(tiles, [&a, inner = inner, cols = cols](const Tile& tile) {
    const std::int64_t row = a.offsets[tile.expert] + tile.row;
    const MatrixView<T> expert_w = {a.w + tile.expert * inner * cols, a.transpose_w ? inner : cols,
                                    a.transpose_w};
    if (inner > 0) {
      gemm(tile.rows, tile.cols, inner, {a.x + row * inner, inner, false},
           expert_w.from(0, tile.col), a.y + row * cols + tile.col, cols);
    }
    if (a.bias != nullptr) add_bias(a, tile);
  });
}

template <class T>
void library_tiles(Cpu&, const GroupedMatmulWeightGrad<T>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  std::vector<Tile> tiles;
  for (std::int64_t e = 0; e < experts; ++e) {
    if (a.offsets[e] == a.offsets[e + 1]) {
      std::fill_n(a.gw + e * inner * cols, inner * cols, T(0));
    } else {
      append_tiles(e, inner, cols, tiles);
    }
  }
  for_each_tile(tiles, [&a, inner = inner, cols = cols](const Tile& tile) {
    const std::int64_t first = a.offsets[tile.expert];
    T* const gw = a.gw + tile.expert * inner * cols;
    gemm(tile.rows, tile.cols, a.offsets[tile.expert + 1] - first,
         {a.x + first * inner + tile.row, inner, true},
         {a.gy + first * cols + tile.col, cols, false}, gw + tile.row * cols + tile.col, cols);
  });
}

// ---- plain loops: the definitions, one output after the other on one thread

template <class T>
void plain_loops(Cpu&, const GroupedMatmul<T>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  for (std::int64_t e = 0; e < experts; ++e) {
    const T* const w = a.w + e * inner * cols;
    for (std::int64_t row = a.offsets[e]; row < a.offsets[e + 1]; ++row) {
      for (std::int64_t j = 0; j < cols; ++j) {
        double sum = a.bias != nullptr ? double{a.bias[e * cols + j]} : 0.0;
        for (std::int64_t d = 0; d < inner; ++d) {
          sum += double{a.x[row * inner + d]} *
                 double{w[a.transpose_w ? j * inner + d : d * cols + j]};
        }
        a.y[row * cols + j] = static_cast<T>(sum);
      }
    }
  }
}

template <class T>
void plain_loops(Cpu&, const GroupedMatmulWeightGrad<T>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  for (std::int64_t e = 0; e < experts; ++e) {
    for (std::int64_t i = 0; i < inner; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        double sum = 0.0;
        for (std::int64_t row = a.offsets[e]; row < a.offsets[e + 1]; ++row) {
          sum += double{a.x[row * inner + i]} * double{a.gy[row * cols + j]};
        }
        a.gw[(e * inner + i) * cols + j] = static_cast<T>(sum);
      }
    }
  }
}

// ---- what pays

constexpr std::string_view kLargeMatrices = "experts' matrices of at least 65536 elements";

template <class Op>
bool has_large_matrices(const Op& a) {
  return a.shape.inner * a.shape.cols >= 65536;
}

}  // namespace

// ---- the ladders: oneDNN multiplies float, Eigen double

template <class T>
constexpr auto kRungs<Cpu, GroupedMatmul<T>> = std::to_array<Rung<Cpu, GroupedMatmul<T>>>(
    {{"grouped_matmul_plain_loops", plain_loops<T>},
     {sizeof(T) == 4 ? "grouped_matmul_onednn_tiles" : "grouped_matmul_eigen_tiles",
      library_tiles<T>},
     {.name = "grouped_matmul_cache_tiles",
      .run = grouped_matmul_tiles<T>,
      .pays = {kLargeMatrices, has_large_matrices<GroupedMatmul<T>>}}});

template <class T>
constexpr auto kRungs<Cpu, GroupedMatmulWeightGrad<T>> =
    std::to_array<Rung<Cpu, GroupedMatmulWeightGrad<T>>>(
        {{"grouped_matmul_weight_grad_plain_loops", plain_loops<T>},
         {sizeof(T) == 4 ? "grouped_matmul_weight_grad_onednn_tiles"
                         : "grouped_matmul_weight_grad_eigen_tiles",
          library_tiles<T>},
         {.name = "grouped_matmul_weight_grad_cache_tiles",
          .run = grouped_matmul_weight_grad_tiles<T>,
          .pays = {kLargeMatrices, has_large_matrices<GroupedMatmulWeightGrad<T>>}}});

template struct Provides<Cpu, GroupedMatmul<float>, GroupedMatmul<double>,
                         GroupedMatmulWeightGrad<float>, GroupedMatmulWeightGrad<double>>;

}  // namespace switchyard::kernels

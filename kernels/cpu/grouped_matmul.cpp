#include "kernels/api/grouped_matmul.h"

#include <algorithm>

#include "kernels/api/provide.h"
#include "kernels/cpu/expert_tiles.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/grouped_tiles.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kTileEdge = 128;

/// Adds the bias of the tile's expert to its rows of y.
template <class T>
void add_bias(const GroupedMatmul<T>& a, const ExpertTile& tile) {
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
  const auto tiles = tiles_of(experts, cols, kTileEdge,
                              [&a](std::int64_t e) { return a.offsets[e + 1] - a.offsets[e]; });
  for_each_task(tiles, [&a, inner = inner, cols = cols](const ExpertTile& tile) {
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
  const auto is_empty = [&a](std::int64_t e) { return a.offsets[e] == a.offsets[e + 1]; };
  for (std::int64_t e = 0; e < experts; ++e) {
    if (is_empty(e)) std::fill_n(a.gw + e * inner * cols, inner * cols, T(0));
  }
  const auto tiles = tiles_of(experts, cols, kTileEdge, [&is_empty, inner = inner](std::int64_t e) {
    return is_empty(e) ? 0 : inner;
  });
  for_each_task(tiles, [&a, inner = inner, cols = cols](const ExpertTile& tile) {
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

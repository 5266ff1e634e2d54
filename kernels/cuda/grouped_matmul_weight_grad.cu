#include "kernels/api/grouped_matmul.h"

#include "kernels/api/provide.h"
#include "kernels/cuda/grouped_extents.cuh"
#include "kernels/cuda/tile_grid.cuh"

// These kernels compute the weight gradient of grouped_matmul: per expert gw_e = xᵀ · gy over its
// segment of rows, zeros for an expert without any.

namespace switchyard::kernels {
namespace {

/// The operands of one call.
template <class T>
struct Grouped : GroupedExtents {
  const T* x;   // [rows, inner]
  const T* gy;  // [rows, cols]
  T* gw;        // [experts, inner, cols]
};

constexpr int kOutputThreads = 256;

// grouped_matmul_weight_grad_thread_per_output
//   1. each thread takes one weight (expert, i, j) and adds x[s, i] · gy[s, j] over the expert's
//      rows in order.
// Every weight reads 2 elements per row of its segment: 4 bytes a flop (float32).
template <class T>
__global__ void grouped_matmul_weight_grad_thread_per_output(Grouped<T> p) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= p.experts * p.weights()) return;
  const auto expert = static_cast<int>(i / p.weights());
  const auto row = static_cast<int>(i % p.weights() / p.cols);
  const auto col = static_cast<int>(i % p.cols);
  T sum{0};
  for (std::int64_t s = p.offsets[expert]; s < p.offsets[expert + 1]; ++s) {
    sum += p.x[s * p.inner + row] * p.gy[s * p.cols + col];
  }
  p.gw[i] = sum;
}

// grouped_matmul_weight_grad_register_tile, ..._wide (128-bit loads)
//   1. block (expert, tile) owns 64x64 weights; the sum runs over the expert's rows, and both
//      operands are contiguous across it, so that no tile is transposed on its way;
//   2. every 4096 rows the sums are added to gw and start again at zero: a long float32 sum would
//      lose digits. One thread owns a weight, so that the order is fixed; no atomics;
//   3. an empty expert's blocks write zeros.
// Reads x once per 64 columns and gy once per 64 rows of an expert's weights.
constexpr int kRowsPerSum = 4096;

template <class T, bool kWide>
__global__ void __launch_bounds__(GroupedTile<T>::kThreads)
    grouped_matmul_weight_grad_register_tile(Grouped<T> p, int tiles, int tiles_across,
                                             bool wide_gw) {
  __shared__ typename GroupedTile<T>::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const int expert = block / tiles;
  const int first_row = block % tiles / tiles_across * kGroupedTile;
  const int first_col = block % tiles % tiles_across * kGroupedTile;
  const auto begin = static_cast<int>(p.offsets[expert]);
  const auto end = static_cast<int>(p.offsets[expert + 1]);
  const MatrixSource<T, false> x{p.x, p.inner, p.inner};
  const MatrixSource<T, false> gy{p.gy, p.cols, p.cols};
  const MatrixSink<T> gw{p.gw + expert * p.weights(), p.inner, p.cols, wide_gw};
  typename GroupedTile<T>::Sums sums;
  int from = begin;
  do {
    const int to = end - from > kRowsPerSum ? from + kRowsPerSum : end;
    GroupedTile<T>::template multiply<kWide>(shared, x, gy, first_row, first_col, from, to, sums);
    GroupedTile<T>::store(gw, first_row, first_col, sums, from > begin);
    from = to;
    __syncthreads();  // the next product overwrites the tiles
  } while (from < end);
}

// ---- launchers

/// Returns whether x and gy may be read 16 bytes at a time: every row of either begins aligned.
template <class T>
bool wide_operands(const GroupedMatmulWeightGrad<T>& a) {
  return wide_rows(a.x, a.shape.inner) && wide_rows(a.gy, a.shape.cols);
}

template <class T>
void thread_per_output(KernelExecutor& exec, const GroupedMatmulWeightGrad<T>& a) {
  constexpr const char* kName = "grouped_matmul_weight_grad_thread_per_output";
  const Grouped<T> p{grouped_extents(kName, a.shape, a.offsets), a.x, a.gy, a.gw};
  const int weights = checked_extent(kName, "weights of an expert", {p.inner, p.cols});
  launch(exec, kName, grouped_matmul_weight_grad_thread_per_output<T>,
         Line{{tiles_along(std::int64_t{p.experts} * weights, kOutputThreads)}, kOutputThreads}, p);
}

template <bool kWide, class T>
void register_tile(KernelExecutor& exec, const GroupedMatmulWeightGrad<T>& a) {
  constexpr const char* kName = kWide ? "grouped_matmul_weight_grad_register_tile_wide"
                                      : "grouped_matmul_weight_grad_register_tile";
  const Grouped<T> p{grouped_extents(kName, a.shape, a.offsets), a.x, a.gy, a.gw};
  const TileGrid tiles = tile_grid<GroupedTile<T>>(kName, p.inner, p.cols);
  const bool wide_gw = wide_rows(a.gw, p.cols);
  launch(exec, kName, grouped_matmul_weight_grad_register_tile<T, kWide>,
         Line{{p.experts, tiles.count}, GroupedTile<T>::kThreads}, p, static_cast<int>(tiles.count),
         tiles.across, wide_gw);
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, GroupedMatmulWeightGrad<T>> =
    std::to_array<Rung<KernelExecutor, GroupedMatmulWeightGrad<T>>>(
        {{"grouped_matmul_weight_grad_thread_per_output", thread_per_output<T>},
         {"grouped_matmul_weight_grad_register_tile", register_tile<false, T>},
         {"grouped_matmul_weight_grad_register_tile_wide",
          register_tile<true, T>,
          {kWideNeeds, wide_operands<T>}}});

template struct Provides<KernelExecutor, GroupedMatmulWeightGrad<float>,
                         GroupedMatmulWeightGrad<double>>;

}  // namespace switchyard::kernels

#include "kernels/api/grouped_matmul.h"

#include "kernels/api/provide.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/row_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"
#include "kernels/cuda/tile_outputs.cuh"

// These kernels compute a matrix product per expert over its segment of rows: 2 · rows · inner ·
// cols flops whatever the routing, on rows (inner + cols) elements of activations and inner · cols
// of each expert that got a row.

namespace switchyard::kernels {
namespace {

/// The operands of one call.
template <class T>
struct Grouped : GroupedExtents {
  const T* x;     // [rows, inner]
  const T* w;     // [experts, inner, cols] or transposed
  const T* bias;  // [experts, cols] or null
  T* y;           // [rows, cols]

  __device__ const T* bias_of(int expert) const {
    return bias == nullptr ? nullptr : bias + std::int64_t{expert} * this->cols;
  }
};

/// The expert whose segment contains `row`: the last e with offsets[e] <= row. Empty segments begin
/// where the next one does and are passed over.
__device__ __forceinline__ int expert_of(const std::int64_t* offsets, int experts, int row) {
  int low = 0;
  int high = experts;  // offsets[low] <= row < offsets[high]
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (offsets[middle] <= row) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

constexpr int kOutputThreads = 256;

// grouped_matmul_thread_per_output
//   1. each thread takes one output and finds its row's expert by binary search in `offsets`;
//   2. it walks along its row of x and its column of that expert's weights.
// Every output reads 2 · inner elements and log2(experts) offsets; the search is the same for a
// whole warp and costs little beside the walk: 4 bytes a flop (float32), as
// matmul_thread_per_output.
template <class T, bool kTransposeW>
__global__ void grouped_matmul_thread_per_output(Grouped<T> p) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::int64_t{p.rows} * p.cols) return;
  const auto row = static_cast<int>(i / p.cols);
  const auto col = static_cast<int>(i % p.cols);
  const T* const x = p.x + std::int64_t{row} * p.inner;
  const int expert = expert_of(p.offsets, p.experts, row);
  const T* const w = p.w + expert * p.weights();
  T sum{0};
  for (int d = 0; d < p.inner; ++d) {
    const std::int64_t at =
        kTransposeW ? std::int64_t{col} * p.inner + d : std::int64_t{d} * p.cols + col;
    sum += x[d] * w[at];
  }
  const T* const bias = p.bias_of(expert);
  p.y[i] = bias == nullptr ? sum : sum + bias[col];
}

// grouped_matmul_register_tile, grouped_matmul_register_tile_wide (128-bit loads)
//   1. there are rows / 64 blocks and one more per expert, whatever the routing;
//   2. a block's first warp finds its tile (expert, rows) from the offsets (row_tile.cuh); empty
//      experts have no tiles, blocks past the last tile end at once;
//   3. the block multiplies the tile as matmul_register_tile does (register_tile.cuh); rows past
//      the segment's end count as zeros and are not written;
//   4. where there is a bias, each thread adds its columns' to its sums before it writes them.
// Reads x once per 64 columns and an expert's weights once per 64 of its rows: 1/16 byte a flop
// (float32) for full tiles. A segment wastes at most 63 rows of arithmetic and no memory traffic.
//
// grouped_matmul_tensor_core
//   the same with 4 warps and fragments of tensor cores (tensor_core_tile.cuh): the same bytes, the
//   arithmetic 8 times faster for tf32 and twice for float64 on compute capability 8.0.
template <class Tile, bool kWide, bool kTransposeW>
__global__ void __launch_bounds__(Tile::kThreads)
    grouped_matmul_tile(Grouped<typename Tile::Operand> p, int tiles_across, bool wide_y) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const RowTile tile = block_row_tile(p, Tile::kRows, block / tiles_across);
  if (tile.expert < 0) return;  // the whole block
  const T* const w_e = p.w + tile.expert * p.weights();
  const MatrixSource<T, true> x{p.x, tile.end_row, p.inner};
  const MatrixSource<T, kTransposeW> w{w_e, p.cols, kTransposeW ? p.inner : p.cols};
  const int first_col = block % tiles_across * Tile::kCols;
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, x, w, tile.first_row, first_col, 0, p.inner, sums);
  const T* const bias = p.bias_of(tile.expert);
  if (bias != nullptr) add_to_rows<Tile>(bias, p.cols, first_col, sums);
  Tile::store(MatrixSink<T>{p.y, tile.end_row, p.cols, wide_y}, tile.first_row, first_col, sums);
}

// ---- launchers

/// Returns whether x and w may be read 16 bytes at a time: every row of either begins aligned.
template <class T>
bool wide_operands(const GroupedMatmul<T>& a) {
  return wide_rows(a.x, a.shape.inner) &&
         wide_rows(a.w, a.transpose_w ? a.shape.inner : a.shape.cols);
}

template <class T>
void thread_per_output(KernelExecutor& exec, const GroupedMatmul<T>& a) {
  constexpr const char* kName = "grouped_matmul_thread_per_output";
  const Grouped<T> p{grouped_extents(kName, a.shape, a.offsets), a.x, a.w, a.bias, a.y};
  with_flag(a.transpose_w, [&](auto transpose) {
    launch(exec, kName, grouped_matmul_thread_per_output<T, decltype(transpose)::value>,
           Line{{tiles_along(std::int64_t{p.rows} * p.cols, kOutputThreads)}, kOutputThreads}, p);
  });
}

template <class Tile, bool kWide, class T>
void launch_tiles(KernelExecutor& exec, const char* name, const GroupedMatmul<T>& a) {
  const Grouped<T> p{grouped_extents(name, a.shape, a.offsets), a.x, a.w, a.bias, a.y};
  const std::int64_t across = tiles_along(p.cols, Tile::kCols);
  const bool wide_y = wide_rows(a.y, p.cols);
  with_flag(a.transpose_w, [&](auto transpose) {
    launch(exec, name, grouped_matmul_tile<Tile, kWide, decltype(transpose)::value>,
           Line{{most_row_tiles(p, Tile::kRows), across}, Tile::kThreads}, p,
           static_cast<int>(across), wide_y);
  });
}

template <bool kWide, class T>
void register_tile(KernelExecutor& exec, const GroupedMatmul<T>& a) {
  launch_tiles<GroupedTile<T>, kWide>(
      exec, kWide ? "grouped_matmul_register_tile_wide" : "grouped_matmul_register_tile", a);
}

template <class T>
constexpr const char* kTensorCoreName =
    std::is_same_v<T, float> ? "grouped_matmul_tensor_core_tf32" : "grouped_matmul_tensor_core";

template <class T>
void tensor_core(KernelExecutor& exec, const GroupedMatmul<T>& a) {
  with_flag(wide_operands(a), [&](auto wide) {
    launch_tiles<TensorCoreTile<MmaFor<T>, 64, 64>, decltype(wide)::value>(exec, kTensorCoreName<T>,
                                                                           a);
  });
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, GroupedMatmul<T>> =
    std::to_array<Rung<KernelExecutor, GroupedMatmul<T>>>(
        {{"grouped_matmul_thread_per_output", thread_per_output<T>},
         {"grouped_matmul_register_tile", register_tile<false, T>},
         {"grouped_matmul_register_tile_wide",
          register_tile<true, T>,
          {kWideNeeds, wide_operands<T>}},
         tensor_core_rung<GroupedMatmul<T>>(kTensorCoreName<T>, kTensorCoreName<T>,
                                            std::is_same_v<T, float>, tensor_core<T>)});

template struct Provides<KernelExecutor, GroupedMatmul<float>, GroupedMatmul<double>>;

}  // namespace switchyard::kernels

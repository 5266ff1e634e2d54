#include "kernels/api/grouped_matmul.h"

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/grouped_matmul_swizzled.cuh"
#include "kernels/cuda/grouped_matmul_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"

// These kernels compute a matrix product per expert over its segment of rows: 2 · rows · inner ·
// cols flops whatever the routing, on rows (inner + cols) elements of activations and inner · cols
// of each expert that got a row.

namespace switchyard::kernels {
namespace {

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
  ResultOf<T> sum{0};
  for (int d = 0; d < p.inner; ++d) {
    const std::int64_t at =
        kTransposeW ? std::int64_t{col} * p.inner + d : std::int64_t{d} * p.cols + col;
    sum += widen(x[d]) * widen(w[at]);
  }
  const T* const bias = p.bias_of(expert);
  p.y[i] = convert_element<T>(bias == nullptr ? sum : sum + widen(bias[col]));
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
//   arithmetic 16 times faster for bfloat16, 8 times for tf32 and twice for float64 on compute
//   capability 8.0. bfloat16 is summed in float32, and a sum is rounded once, where it is written.
//
// These rungs are grouped_matmul_tile (grouped_matmul_tile.cuh); grouped_matmul_swizzled.cu has
// those beyond.

// ---- launchers

template <class T>
void thread_per_output(KernelExecutor& exec, const GroupedMatmul<T>& a) {
  constexpr const char* kName = "grouped_matmul_thread_per_output";
  const Grouped<T> p{grouped_extents(kName, a.shape, a.offsets), a.x, a.w, a.bias, a.y};
  with_flag(a.transpose_w, [&](auto transpose) {
    launch(exec, kName, grouped_matmul_thread_per_output<T, decltype(transpose)::value>,
           Line{{tiles_along(std::int64_t{p.rows} * p.cols, kOutputThreads)}, kOutputThreads}, p);
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

constexpr const char* kThreeTf32Name = "grouped_matmul_tensor_core_three_tf32";

template <class Mma, class T>
void tensor_core(KernelExecutor& exec, const GroupedMatmul<T>& a) {
  constexpr const char* kName =
      std::is_same_v<Mma, MmaThreeTf32> ? kThreeTf32Name : kTensorCoreName<T>;
  with_flag(wide_operands(a), [&](auto wide) {
    launch_tiles<TensorCoreTile<Mma, 64, 64>, decltype(wide)::value>(exec, kName, a);
  });
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungsInTiles = std::to_array<Rung<KernelExecutor, GroupedMatmul<T>>>(
    {{"grouped_matmul_thread_per_output", thread_per_output<T>},
     {"grouped_matmul_register_tile", register_tile<false, T>},
     {"grouped_matmul_register_tile_wide", register_tile<true, T>, {kWideNeeds, wide_operands<T>}},
     tensor_core_rung<GroupedMatmul<T>>(kTensorCoreName<T>, kTensorCoreName<T>,
                                        std::is_same_v<T, float>, tensor_core<MmaFor<T>, T>)});

template <>
constexpr auto kRungs<KernelExecutor, GroupedMatmul<double>> = kRungsInTiles<double>;

template <>
constexpr auto kRungs<KernelExecutor, GroupedMatmul<float>> = joined(
    kRungsInTiles<float>, SwizzledGroupedMatmul<MmaTf32>::rungs(),
    std::to_array({mma_rung<MmaThreeTf32, GroupedMatmul<float>>(kThreeTf32Name,
                                                                tensor_core<MmaThreeTf32, float>),
                   SwizzledGroupedMatmul<MmaThreeTf32>::persistent_rung()}));

template <>
constexpr auto kRungs<KernelExecutor, GroupedMatmul<BFloat16>> =
    std::to_array<Rung<KernelExecutor, GroupedMatmul<BFloat16>>>(
        {{"grouped_matmul_thread_per_output", thread_per_output<BFloat16>},
         {kTensorCoreName<BFloat16>, tensor_core<MmaBf16, BFloat16>},
         SwizzledGroupedMatmul<MmaBf16>::first_rung(),
         SwizzledGroupedMatmul<MmaBf16>::persistent_rung()});

template struct Provides<KernelExecutor, GroupedMatmul<float>, GroupedMatmul<double>,
                         GroupedMatmul<BFloat16>>;

}  // namespace switchyard::kernels

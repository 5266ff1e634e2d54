#include "kernels/api/grouped_matmul.h"

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/grouped_matmul_weight_grad_swizzled.cuh"
#include "kernels/cuda/grouped_weight_grad_split.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"

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
  ResultOf<T> sum{0};
  for (std::int64_t s = p.offsets[expert]; s < p.offsets[expert + 1]; ++s) {
    sum += widen(p.x[s * p.inner + row]) * widen(p.gy[s * p.cols + col]);
  }
  p.gw[i] = convert_element<T>(sum);
}

// grouped_matmul_weight_grad_register_tile, ..._wide (128-bit loads) and ..._tensor_core are
// grouped_weight_grad_tile (grouped_weight_grad.cuh) with both operands in the order of the slots;
// ..._split_segments is grouped_weight_grad_part (grouped_weight_grad_split.cuh) with the same
// tile; grouped_matmul_weight_grad_swizzled.cu has the rungs beyond.

// ---- launchers

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
  launch_weight_grad<GroupedTile<T>, kWide>(exec, kName, grouped_extents(kName, a.shape, a.offsets),
                                            SlotRows<T>{a.x}, SlotRows<T>{a.gy}, a.gw);
}

template <class T>
void split_segments(KernelExecutor& exec, const GroupedMatmulWeightGrad<T>& a) {
  with_flag(wide_operands(a), [&](auto wide) {
    launch_split_weight_grad<GroupedTile<T>, decltype(wide)::value>(
        exec, "grouped_matmul_weight_grad_split_segments", a);
  });
}

template <class T>
constexpr const char* kTensorCoreName =
    std::is_same_v<T, float> ? "grouped_matmul_weight_grad_tensor_core_tf32"
                             : "grouped_matmul_weight_grad_tensor_core";

constexpr const char* kThreeTf32Name = "grouped_matmul_weight_grad_tensor_core_three_tf32";

template <class Mma, class T>
void tensor_core(KernelExecutor& exec, const GroupedMatmulWeightGrad<T>& a) {
  constexpr const char* kName =
      std::is_same_v<Mma, MmaThreeTf32> ? kThreeTf32Name : kTensorCoreName<T>;
  const GroupedExtents p = grouped_extents(kName, a.shape, a.offsets);
  with_flag(wide_operands(a), [&](auto wide) {
    launch_weight_grad<TensorCoreTile<Mma, 64, 64>, decltype(wide)::value>(
        exec, kName, p, SlotRows<T>{a.x}, SlotRows<T>{a.gy}, a.gw);
  });
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungsInTiles = std::to_array<Rung<KernelExecutor, GroupedMatmulWeightGrad<T>>>(
    {{"grouped_matmul_weight_grad_thread_per_output", thread_per_output<T>},
     {"grouped_matmul_weight_grad_register_tile", register_tile<false, T>},
     {"grouped_matmul_weight_grad_register_tile_wide",
      register_tile<true, T>,
      {kWideNeeds, wide_operands<T>}},
     {.name = "grouped_matmul_weight_grad_split_segments",
      .run = split_segments<T>,
      .pays = {"to be asked for: not measured to be faster", never<GroupedMatmulWeightGrad<T>>}},
     tensor_core_rung<GroupedMatmulWeightGrad<T>>(kTensorCoreName<T>, kTensorCoreName<T>,
                                                  std::is_same_v<T, float>,
                                                  tensor_core<MmaFor<T>, T>)});

template <>
constexpr auto kRungs<KernelExecutor, GroupedMatmulWeightGrad<double>> = kRungsInTiles<double>;

template <>
constexpr auto kRungs<KernelExecutor, GroupedMatmulWeightGrad<float>> =
    joined(kRungsInTiles<float>, SwizzledWeightGrad<MmaTf32>::rungs(),
           std::to_array({mma_rung<MmaThreeTf32, GroupedMatmulWeightGrad<float>>(
                              kThreeTf32Name, tensor_core<MmaThreeTf32, float>),
                          SwizzledWeightGrad<MmaThreeTf32>::split_rung()}));

template <>
constexpr auto kRungs<KernelExecutor, GroupedMatmulWeightGrad<BFloat16>> =
    std::to_array<Rung<KernelExecutor, GroupedMatmulWeightGrad<BFloat16>>>(
        {{"grouped_matmul_weight_grad_thread_per_output", thread_per_output<BFloat16>},
         {kTensorCoreName<BFloat16>, tensor_core<MmaBf16, BFloat16>},
         SwizzledWeightGrad<MmaBf16>::first_rung(),
         SwizzledWeightGrad<MmaBf16>::split_rung()});

template struct Provides<KernelExecutor, GroupedMatmulWeightGrad<float>,
                         GroupedMatmulWeightGrad<double>, GroupedMatmulWeightGrad<BFloat16>>;

}  // namespace switchyard::kernels

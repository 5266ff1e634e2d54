#include <array>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/provide.h"
#include "kernels/common/warp.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels sum each expert's rows of [rows, cols]: the gradient of a grouped product's bias.
// One addition for each 4 bytes read (float32): memory limits, if enough threads read.

namespace switchyard::kernels {
namespace {

/// SegmentSum in 32 bits.
template <class T>
struct Segments {
  const std::int64_t* offsets;  // [experts + 1]
  const T* x;                   // [rows, cols]
  T* y;                         // [experts, cols]
  int experts, cols;
};

constexpr int kThreads = 256;

// segment_sum_thread_per_output
//   1. each thread takes a column of an expert and adds up its rows, one after the other.
// Neighbouring threads read neighbouring columns. A segment of few columns keeps few threads busy,
// each of which waits for one load after the other.
template <class T>
__global__ void segment_sum_thread_per_output(Segments<T> p) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= std::int64_t{p.experts} * p.cols) return;
  const auto expert = static_cast<int>(i / p.cols);
  const auto col = static_cast<int>(i % p.cols);
  double sum = 0.0;
  for (std::int64_t row = p.offsets[expert]; row < p.offsets[expert + 1]; ++row) {
    sum += double{widen(p.x[row * p.cols + col])};
  }
  p.y[i] = convert_element<T>(sum);
}

constexpr int kWarps = kThreads / kWarp;

// segment_sum_block_per_strip
//   1. a block takes 32 columns of an expert, a lane each; its 8 warps take every eighth row;
//   2. the warps' sums meet in shared memory, and the first warp adds them in order.
// It moves the same bytes with 8 times the loads in flight, and the order of the sum depends on the
// segment alone: the same bits every run.
template <class T>
__global__ void __launch_bounds__(kThreads) segment_sum_block_per_strip(Segments<T> p, int strips) {
  __shared__ double sums[kWarps][kWarp];
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto warp = static_cast<int>(threadIdx.x) / kWarp;
  const int expert = static_cast<int>(blockIdx.x) / strips;
  const int col = static_cast<int>(blockIdx.x) % strips * kWarp + lane;
  double sum = 0.0;
  if (col < p.cols) {
    for (std::int64_t row = p.offsets[expert] + warp; row < p.offsets[expert + 1]; row += kWarps) {
      sum += double{widen(p.x[row * p.cols + col])};
    }
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || col >= p.cols) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w][lane];
  p.y[std::int64_t{expert} * p.cols + col] = convert_element<T>(sum);
}

// ---- launchers

template <class T>
Segments<T> segments(const char* name, const SegmentSum<T>& a) {
  return {a.offsets, a.x, a.y, checked_extent(name, "experts", a.experts),
          checked_extent(name, "cols", a.cols)};
}

template <class T>
void thread_per_output(KernelExecutor& exec, const SegmentSum<T>& a) {
  constexpr const char* kName = "segment_sum_thread_per_output";
  launch(exec, kName, segment_sum_thread_per_output<T>,
         Line{{tiles_along(a.experts * a.cols, kThreads)}, kThreads}, segments(kName, a));
}

template <class T>
void block_per_strip(KernelExecutor& exec, const SegmentSum<T>& a) {
  constexpr const char* kName = "segment_sum_block_per_strip";
  const std::int64_t strips = tiles_along(a.cols, kWarp);
  launch(exec, kName, segment_sum_block_per_strip<T>, Line{{a.experts, strips}, kThreads},
         segments(kName, a), static_cast<int>(strips));
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, SegmentSum<T>> =
    std::to_array<Rung<KernelExecutor, SegmentSum<T>>>(
        {{"segment_sum_thread_per_output", thread_per_output<T>},
         {"segment_sum_block_per_strip", block_per_strip<T>}});

template struct Provides<KernelExecutor, SegmentSum<float>, SegmentSum<double>,
                         SegmentSum<BFloat16>>;

}  // namespace switchyard::kernels

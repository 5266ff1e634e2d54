#include <algorithm>

#include "kernels/cuda/conv2d_face.cuh"
#include "kernels/cuda/conv2d_phase.cuh"

// gx [n, ih, iw, c] = Σ gy [n, oh, ow, o] · w [o, kh, kw, c] over the taps and outputs with
// oh · stride + kh - padding = ih, ow · stride + kw - padding = iw: the transposed convolution.
// Each pixel of x gathers, so that nothing is added twice to the same address and nothing needs
// atomics.

namespace switchyard::kernels {
namespace {

constexpr int kOutputThreads = 256;

// conv2d_input_grad_thread_per_output
//   1. each thread takes one element (pixel of x, c), c fastest;
//   2. it goes through all taps and skips those that meet no output.
// gy [n, oh, ow, o], w [o, kh, kw, c], gx [n, h, w, c]. Each output reads 2 · taps that count ·
// filters elements: 4 bytes a flop (float32); lanes share gy and read neighbours of w.
template <class T, class Sum>
__global__ void conv2d_input_grad_thread_per_output(ConvExtents e, const T* __restrict__ gy,
                                                    const T* __restrict__ w, Sum* __restrict__ gx) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::int64_t{e.batch * e.height * e.width} * e.channels) return;
  const auto pixel = static_cast<int>(i / e.channels);
  const auto c = static_cast<int>(i % e.channels);
  const int n = pixel / (e.height * e.width);
  const int bottom = pixel / e.width % e.height + e.padding;
  const int right = pixel % e.width + e.padding;
  Sum sum{0};
  for (int kh = 0; kh < e.kernel_height; ++kh) {
    for (int kw = 0; kw < e.kernel_width; ++kw) {
      const int oh = (bottom - kh) / e.stride;
      const int ow = (right - kw) / e.stride;
      if (bottom < kh || (bottom - kh) % e.stride != 0 || oh >= e.out_height) continue;
      if (right < kw || (right - kw) % e.stride != 0 || ow >= e.out_width) continue;
      const T* const run =
          gy + std::int64_t{(n * e.out_height + oh) * e.out_width + ow} * e.filters;
      const T* tap = w + (kh * e.kernel_width + kw) * e.channels + c;
      for (int o = 0; o < e.filters; ++o, tap += e.patch()) {
        sum += static_cast<Sum>(run[o]) * static_cast<Sum>(*tap);
      }
    }
  }
  gx[i] = sum;
}

// conv2d_input_grad_register_tile, ..._wide (128-bit loads), conv2d_input_grad_tensor_core
//   1. blockIdx.y and z choose a phase of the pixels of x, which all have the same taps
//      (conv2d_phase.cuh); at stride 1 there is one;
//   2. a block owns a tile of the phase's gx as [pixel, c]: 128x64 outputs in registers, 128x128
//      in tensor-core fragments, or 64x64 of either, as in the forward pass;
//   3. per step of depth, (tap, filter), it gathers a tile of gy, contiguous in filters, and one of
//      w, contiguous in c;
//   4. a phase without taps (1x1 at stride 2 has three) writes zeros.
// It does as much arithmetic as the forward pass, at any stride. Every element of gy is fetched
// once per tap and 64 channels.
template <class Tile, bool kWide>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    conv2d_input_grad_implicit_gemm(ConvExtents e, Divider filters,
                                    const typename Tile::Operand* __restrict__ gy,
                                    const typename Tile::Operand* __restrict__ w,
                                    typename Tile::Sum* __restrict__ gx, int tiles_across,
                                    bool wide_gx) {
  using T = typename Tile::Operand;
  __shared__ typename Tile::Shared shared;
  const Phase phase(e, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z));
  const int pixels = phase.pixels(e);
  const auto block = static_cast<int>(blockIdx.x);
  const int first_pixel = block / tiles_across * Tile::kRows;
  const int first_channel = block % tiles_across * Tile::kCols;
  if (first_pixel >= pixels) return;  // the whole block: a smaller phase than the largest
  const PhaseTaps taps(filters, phase);
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, OutputGradSource<T>{gy, e, phase, taps, pixels},
                                 PhaseWeightSource<T>(w, e, phase, taps), first_pixel,
                                 first_channel, 0, phase.depth(e), sums);
  Tile::store(PhaseSink<typename Tile::Sum>{gx, e, phase, e.channels, wide_gx}, first_pixel,
              first_channel, sums);
}

// ---- launchers

struct InputGrad {
  SWITCHYARD_CONV_FACE("conv2d_input_grad");
  template <class T>
  using Kernel = Conv2dInputGrad<T>;

  /// Returns whether neighbouring filters of gy and channels of w may be read 16 bytes at a time.
  template <class T>
  static bool wide(const Conv2dInputGrad<T>& a) {
    return wide_rows(a.gy, a.shape.filters) && wide_rows(a.w, a.shape.channels);
  }

  template <class T>
  static void thread_per_output(KernelExecutor& exec, const Conv2dInputGrad<T>& a) {
    const ConvExtents e = conv_extents(kThreadPerOutput, a.shape);
    launch(
        exec, kThreadPerOutput, conv2d_input_grad_thread_per_output<T, ResultOf<T>>,
        Line{{tiles_along(std::int64_t{e.batch * e.height * e.width} * e.channels, kOutputThreads)},
             kOutputThreads},
        e, a.gy, a.w, a.gx);
  }

  template <class Tiles, bool kWide>
  static void implicit_gemm(KernelExecutor& exec, const char* name,
                            const Conv2dInputGrad<typename Tiles::Operand>& a) {
    const ConvExtents e = conv_extents(name, a.shape);
    // Phase 0 has the most pixels.
    const std::int64_t pixels =
        e.batch * tiles_along(e.height, e.stride) * tiles_along(e.width, e.stride);
    const int phases_h = std::min(e.stride, e.height);
    const int phases_w = std::min(e.stride, e.width);
    with_tile<Tiles>(exec.limits, pixels, e.channels, std::int64_t{phases_h} * phases_w,
                     [&](auto tile) {
                       using Tile = typename decltype(tile)::type;
                       const TileGrid tiles = tile_grid<Tile>(name, pixels, e.channels);
                       if (tiles.count == 0) return;
                       launch(exec, name, conv2d_input_grad_implicit_gemm<Tile, kWide>,
                              LaunchShape{.grid = {tiles.count, static_cast<unsigned>(phases_h),
                                                   static_cast<unsigned>(phases_w)},
                                          .block = {Tile::kThreads}},
                              e, divider_of(e.filters), a.gy, a.w, a.gx, tiles.across,
                              wide_rows(a.gx, e.channels));
                     });
  }
};

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, Conv2dInputGrad<T>> = ConvRungs<InputGrad>::kLadder<T>;
template <>
constexpr auto kRungs<KernelExecutor, Conv2dInputGrad<BFloat16>> =
    ConvRungs<InputGrad>::kBf16Ladder;

template struct Provides<KernelExecutor, Conv2dInputGrad<float>, Conv2dInputGrad<double>,
                         Conv2dInputGrad<BFloat16>>;

}  // namespace switchyard::kernels

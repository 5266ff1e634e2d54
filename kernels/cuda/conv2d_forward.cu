#include "kernels/cuda/conv2d_face.cuh"
#include "kernels/cuda/conv2d_source.cuh"

// y [n, oh, ow, o] = Σ x [n, oh · stride + kh - padding, ow · stride + kw - padding, c]
//                      · w [o, kh, kw, c]
// A convolution does 2 · pixels · filters · patch flops, with patch = kh · kw · c, on x, w and y. A
// 3x3 convolution of 128 channels does 576 flops a byte of x (float32), so what counts is how often
// each element is read again.

namespace switchyard::kernels {
namespace {

constexpr int kOutputThreads = 256;

// conv2d_thread_per_output
//   1. each thread takes one output (pixel, o), o fastest;
//   2. it walks over its patch, skipping what lies in the padding.
// x [n, h, w, c], w [o, kh, kw, c], y [n, oh, ow, o]. Every output reads 2 · patch elements: 4
// bytes a flop (float32). Lanes share the patch, but each reads another filter: 32 sectors a
// request.
template <class T, class Sum>
__global__ void conv2d_thread_per_output(ConvExtents e, const T* __restrict__ x,
                                         const T* __restrict__ w, Sum* __restrict__ y) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::int64_t{e.out_pixels()} * e.filters) return;
  const auto pixel = static_cast<int>(i / e.filters);
  const T* filter = w + i % e.filters * e.patch();
  const int n = pixel / (e.out_height * e.out_width);
  const int top = pixel / e.out_width % e.out_height * e.stride - e.padding;
  const int left = pixel % e.out_width * e.stride - e.padding;
  Sum sum{0};
  for (int kh = 0; kh < e.kernel_height; ++kh) {
    for (int kw = 0; kw < e.kernel_width; ++kw, filter += e.channels) {
      const int ih = top + kh;
      const int iw = left + kw;
      if (ih < 0 || ih >= e.height || iw < 0 || iw >= e.width) continue;
      const T* const run = x + std::int64_t{(n * e.height + ih) * e.width + iw} * e.channels;
      for (int c = 0; c < e.channels; ++c) {
        sum += static_cast<Sum>(run[c]) * static_cast<Sum>(filter[c]);
      }
    }
  }
  y[i] = sum;
}

// conv2d_register_tile, conv2d_register_tile_wide (128-bit loads), conv2d_tensor_core
//   1. a block owns a tile of y as [pixel, o]: 128x64 outputs in registers, or 128x128 in
//      tensor-core fragments (register_tile.cuh, tensor_core_tile.cuh); 64x64 of either where that
//      would leave much of a GPU without a block;
//   2. per step of depth it gathers a tile of the patch matrix straight from x and a tile of w
//      (conv2d_source.cuh), while the tiles of the step before are multiplied;
//   3. y is written once.
// Every element of x is fetched for kh · kw patches and filters / 64 tiles, mostly from L2; with
// float32 128x64 tiles that is 3/64 byte a flop. Wide loads take 4 (float32) or 8 (bfloat16)
// channels of a tap at once; a piece of memory then lies in one tap, inside the image or outside.
template <class Tile, bool kWide>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(kWide))
    conv2d_implicit_gemm(PatchSource<typename Tile::Operand> x,
                         MatrixSource<typename Tile::Operand, true> w,
                         MatrixSink<typename Tile::Sum> y, int tiles_across, int patch) {
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const int first_pixel = block / tiles_across * Tile::kRows;
  const int first_filter = block % tiles_across * Tile::kCols;
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, x, w, first_pixel, first_filter, 0, patch, sums);
  Tile::store(y, first_pixel, first_filter, sums);
}

// ---- launchers

struct Forward {
  SWITCHYARD_CONV_FACE("conv2d");
  template <class T>
  using Kernel = Conv2d<T>;

  /// Returns whether a tap's channels may be read 16 bytes at a time.
  template <class T>
  static bool wide(const Conv2d<T>& a) {
    return wide_rows(a.x, a.shape.channels) && wide_rows(a.w, a.shape.channels);
  }

  template <class T>
  static void thread_per_output(KernelExecutor& exec, const Conv2d<T>& a) {
    const ConvExtents e = conv_extents(kThreadPerOutput, a.shape);
    launch(exec, kThreadPerOutput, conv2d_thread_per_output<T, ResultOf<T>>,
           Line{{tiles_along(std::int64_t{e.out_pixels()} * e.filters, kOutputThreads)},
                kOutputThreads},
           e, a.x, a.w, a.y);
  }

  template <class Tiles, bool kWide>
  static void implicit_gemm(KernelExecutor& exec, const char* name,
                            const Conv2d<typename Tiles::Operand>& a) {
    using T = typename Tiles::Operand;
    using Sum = typename Tiles::Sum;
    const ConvExtents e = conv_extents(name, a.shape);
    const int pixels = e.out_pixels();
    with_tile<Tiles>(exec.limits, pixels, e.filters, 1, [&](auto tile) {
      using Tile = typename decltype(tile)::type;
      const TileGrid tiles = tile_grid<Tile>(name, pixels, e.filters);
      launch(exec, name, conv2d_implicit_gemm<Tile, kWide>, Line{{tiles.count}, Tile::kThreads},
             PatchSource<T>(a.x, e), MatrixSource<T, true>{a.w, e.filters, e.patch()},
             MatrixSink<Sum>{a.y, pixels, e.filters, wide_rows(a.y, e.filters)}, tiles.across,
             e.patch());
    });
  }
};

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, Conv2d<T>> = ConvRungs<Forward>::kLadder<T>;
template <>
constexpr auto kRungs<KernelExecutor, Conv2d<BFloat16>> = ConvRungs<Forward>::kBf16Ladder;

template struct Provides<KernelExecutor, Conv2d<float>, Conv2d<double>, Conv2d<BFloat16>>;

}  // namespace switchyard::kernels

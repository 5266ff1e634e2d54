#include "kernels/cuda/conv2d_face.cuh"
#include "kernels/cuda/conv2d_source.cuh"
#include "kernels/cuda/split_sum.cuh"

// gw [o, kh, kw, c] = Σ over output pixels of gy [pixel, o]
//                       · x [n, oh · stride + kh - padding, ow · stride + kw - padding, c].
// It does as many flops as the forward pass, but has few results, each a sum over all pixels of the
// batch.

namespace switchyard::kernels {
namespace {

constexpr int kOutputThreads = 256;

// conv2d_weight_grad_thread_per_output
//   1. each thread takes one weight (o, kh, kw, c), c fastest;
//   2. it adds over the images in order the sums over each image's output pixels: two levels, so
//      that a long float32 sum keeps its digits.
// x [n, h, w, c], gy [n, oh, ow, o], gw [o, kh, kw, c]. Every weight reads 2 elements per output
// pixel: 4 bytes a flop (float32); lanes share gy and read neighbours in c.
template <class T, class Sum>
__global__ void conv2d_weight_grad_thread_per_output(ConvExtents e, const T* __restrict__ x,
                                                     const T* __restrict__ gy,
                                                     Sum* __restrict__ gw) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::int64_t{e.filters} * e.patch()) return;
  const auto o = static_cast<int>(i / e.patch());
  const auto index = static_cast<int>(i % e.patch());
  const int kh = index / (e.kernel_width * e.channels) - e.padding;
  const int kw = index / e.channels % e.kernel_width - e.padding;
  const int c = index % e.channels;
  Sum sum{0};
  for (int n = 0; n < e.batch; ++n) {
    Sum of_image{0};
    for (int oh = 0; oh < e.out_height; ++oh) {
      for (int ow = 0; ow < e.out_width; ++ow) {
        const int ih = oh * e.stride + kh;
        const int iw = ow * e.stride + kw;
        if (ih < 0 || ih >= e.height || iw < 0 || iw >= e.width) continue;
        const std::int64_t x_pixel = (n * e.height + ih) * e.width + iw;
        const std::int64_t y_pixel = (n * e.out_height + oh) * e.out_width + ow;
        of_image += static_cast<Sum>(x[x_pixel * e.channels + c]) *
                    static_cast<Sum>(gy[y_pixel * e.filters + o]);
      }
    }
    sum += of_image;
  }
  gw[i] = sum;
}

// conv2d_weight_grad_register_tile, ..._wide (128-bit loads), conv2d_weight_grad_tensor_core
//   1. a block owns a tile of gw as [o, (kh, kw, c)] and one part of the pixels (split_sum.cuh):
//      there are few weights, and a GPU wants many blocks;
//   2. per step of depth, that is of pixels, it gathers tiles of gy and of the patch matrix, both
//      contiguous across it;
//   3. with several parts each writes its own copy of gw, and sum_parts adds the copies in order.
// gy is read once per tile of patch positions, x once per tile of filters and tap.
template <class Tile, bool kWide>
__global__ void __launch_bounds__(Tile::kThreads, Tile::blocks(false))
    conv2d_weight_grad_implicit_gemm(MatrixSource<typename Tile::Operand, false> gy,
                                     PatchTransposedSource<typename Tile::Operand> x,
                                     MatrixSink<typename Tile::Sum> gw, int tiles_across,
                                     int pixels, int part_length) {
  __shared__ typename Tile::Shared shared;
  const auto block = static_cast<int>(blockIdx.x);
  const int first_filter = block / tiles_across * Tile::kRows;
  const int first_index = block % tiles_across * Tile::kCols;
  const auto part = static_cast<int>(blockIdx.y);
  const int begin = part * part_length;
  const int end = pixels - begin > part_length ? begin + part_length : pixels;
  typename Tile::Sums sums;
  Tile::template multiply<kWide>(shared, gy, x, first_filter, first_index, begin, end, sums);
  gw.data += part * (std::int64_t{gw.rows} * gw.cols);
  Tile::store(gw, first_filter, first_index, sums);
}

// ---- launchers

struct WeightGrad {
  SWITCHYARD_CONV_FACE("conv2d_weight_grad");
  template <class T>
  using Kernel = Conv2dWeightGrad<T>;

  /// Returns whether neighbouring filters of gy and channels of x may be read 16 bytes at a time.
  template <class T>
  static bool wide(const Conv2dWeightGrad<T>& a) {
    return wide_rows(a.x, a.shape.channels) && wide_rows(a.gy, a.shape.filters);
  }

  template <class T>
  static void thread_per_output(KernelExecutor& exec, const Conv2dWeightGrad<T>& a) {
    const ConvExtents e = conv_extents(kThreadPerOutput, a.shape);
    launch(exec, kThreadPerOutput, conv2d_weight_grad_thread_per_output<T, ResultOf<T>>,
           Line{{tiles_along(std::int64_t{e.filters} * e.patch(), kOutputThreads)}, kOutputThreads},
           e, a.x, a.gy, a.gw);
  }

  template <class Tiles, bool kWide>
  static void implicit_gemm(KernelExecutor& exec, const char* name,
                            const Conv2dWeightGrad<typename Tiles::Operand>& a) {
    using T = typename Tiles::Operand;
    using Sum = typename Tiles::Sum;
    const ConvExtents e = conv_extents(name, a.shape);
    const std::int64_t outputs = std::int64_t{e.filters} * e.patch();
    with_tile<Tiles>(exec.limits, e.filters, e.patch(), 1, [&](auto tile) {
      using Tile = typename decltype(tile)::type;
      const TileGrid tiles = tile_grid<Tile>(name, e.filters, e.patch());
      if (tiles.count == 0) return;
      const Split split = split_sum(outputs, tiles.count, e.out_pixels());
      run_in_parts(exec, outputs, split, a.gw, [&](Sum* to) {
        launch(exec, name, conv2d_weight_grad_implicit_gemm<Tile, kWide>,
               LaunchShape{.grid = {tiles.count, static_cast<unsigned>(split.count)},
                           .block = {Tile::kThreads}},
               MatrixSource<T, false>{a.gy, e.filters, e.filters}, PatchTransposedSource<T>(a.x, e),
               MatrixSink<Sum>{to, e.filters, e.patch(), wide_rows(to, e.patch())}, tiles.across,
               e.out_pixels(), split.length);
      });
    });
  }
};

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, Conv2dWeightGrad<T>> = ConvRungs<WeightGrad>::kLadder<T>;
template <>
constexpr auto kRungs<KernelExecutor, Conv2dWeightGrad<BFloat16>> =
    ConvRungs<WeightGrad>::kBf16Ladder;

template struct Provides<KernelExecutor, Conv2dWeightGrad<float>, Conv2dWeightGrad<double>,
                         Conv2dWeightGrad<BFloat16>>;

}  // namespace switchyard::kernels

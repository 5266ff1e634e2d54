#pragma once

#include <limits>

#include "kernels/api/conv2d.h"
#include "kernels/common/divider.h"
#include "kernels/common/sizes.h"
#include "kernels/cuda/matrix_tile.cuh"

// Convolutions as matrix products over operands that are never written down (implicit GEMM): the
// sources of kernels/cuda/matrix_tile.cuh for images.
//
//   forward      y  [pixel, o]        = patch [pixel, (kh, kw, c)] · w  [o, (kh, kw, c)]
//   weight grad  gw [o, (kh, kw, c)]  = gy    [pixel, o]           · patch [pixel, (kh, kw, c)]
//   input grad   gx [pixel of x, c]   = gy at (pixel, kh, kw) [.., (kh, kw, o)] · w [c, (kh, kw,
//   o)]
//
//        x  ┌───────────────┐      a row of the patch matrix is what one output pixel sees:
//           │   ┌─────┐     │      kh · kw runs of C neighbours in memory. Neighbouring output
//           │   │kh·kw├┐    │      pixels see mostly the same ones, so that the matrix would be
//           │   └┬────┘│    │      kh · kw times as large as x; here a tile of it is gathered
//           │    └─────┘    │      from x when it is needed, and caches serve the overlap.
//           └───────────────┘

namespace switchyard::kernels {

/// ConvShape in 32 bits.
struct ConvExtents {
  int batch, height, width, channels, filters;
  int kernel_height, kernel_width, stride, padding;
  int out_height, out_width;

  SWITCHYARD_HOST_DEVICE int out_pixels() const { return batch * out_height * out_width; }
  SWITCHYARD_HOST_DEVICE int patch() const { return kernel_height * kernel_width * channels; }
};

/// Errors: std::invalid_argument naming kernel and extent where an index does not fit 32 bits.
inline ConvExtents conv_extents(const char* kernel, const ConvShape& s) {
  ConvExtents e{};
  e.batch = checked_extent(kernel, "batch", s.batch);
  e.height = checked_extent(kernel, "height", s.height);
  e.width = checked_extent(kernel, "width", s.width);
  e.channels = checked_extent(kernel, "channels", s.channels);
  e.filters = checked_extent(kernel, "filters", s.filters);
  e.kernel_height = checked_extent(kernel, "kernel height", s.kernel_height);
  e.kernel_width = checked_extent(kernel, "kernel width", s.kernel_width);
  e.stride = checked_extent(kernel, "stride", s.stride);
  e.padding = checked_extent(kernel, "padding", s.padding);
  checked_extent(kernel, "padded height", s.height + 2 * s.padding);
  checked_extent(kernel, "padded width", s.width + 2 * s.padding);
  e.out_height = checked_extent(kernel, "output height", s.out_height());
  e.out_width = checked_extent(kernel, "output width", s.out_width());
  checked_extent(kernel, "input pixels", {s.batch, s.height, s.width});
  checked_extent(kernel, "output pixels", {s.batch, s.out_height(), s.out_width()});
  checked_extent(kernel, "patch", {s.kernel_height, s.kernel_width, s.channels});
  checked_extent(kernel, "patch of the gradient", {s.kernel_height, s.kernel_width, s.filters});
  return e;
}

/// A divider for an extent that may be 0, where nothing will be divided.
inline Divider divider_of(int extent) { return Divider(extent > 0 ? extent : 1); }

/// Says where an output pixel's patch begins: `line` is its image's first line, counted over the
/// batch.
struct PatchOrigin {
  int line, top, left;
};
/// Finds it by output pixel.
struct OutPixels {
  int lines, count, stride, padding;
  Divider image, width;

  explicit OutPixels(const ConvExtents& e)
      : lines(e.height),
        count(e.out_pixels()),
        stride(e.stride),
        padding(e.padding),
        image(divider_of(e.out_height * e.out_width)),
        width(divider_of(e.out_width)) {}

  __device__ __forceinline__ PatchOrigin origin(int pixel) const {
    const int n = image.quotient(pixel);
    const int rest = pixel - n * image.divisor();
    const int oh = width.quotient(rest);
    const int ow = rest - oh * width.divisor();
    return {n * lines, oh * stride - padding, ow * stride - padding};
  }
};

/// A position within a patch.
struct Tap {
  int kh, kw, c;
};
/// Finds it by index, c fastest.
struct Taps {
  Divider line, channels;

  explicit Taps(const ConvExtents& e)
      : line(divider_of(e.kernel_width * e.channels)), channels(divider_of(e.channels)) {}

  __device__ __forceinline__ Tap tap(int index) const {
    const int kh = line.quotient(index);
    const int rest = index - kh * line.divisor();
    const int kw = channels.quotient(rest);
    return {kh, kw, rest - kw * channels.divisor()};
  }
};

/// x [batch, height, width, channels].
template <class T>
struct Image {
  const T* x;
  int height, width, channels;

  /// Returns null in the padding.
  __device__ __forceinline__ const T* at(const PatchOrigin& origin, const Tap& tap) const {
    const int ih = origin.top + tap.kh;
    const int iw = origin.left + tap.kw;
    if (ih < 0 || ih >= height || iw < 0 || iw >= width) return nullptr;
    return x + std::int64_t{(origin.line + ih) * width + iw} * channels + tap.c;
  }
};

/// Patches as [output pixel, (kh, kw, c)].
template <class T>
struct PatchSource {
  using Element = T;
  static constexpr bool kAlongDepth = true;
  Image<T> image;
  OutPixels pixels;
  Taps taps;

  PatchSource(const T* x, const ConvExtents& e)
      : image{x, e.height, e.width, e.channels}, pixels(e), taps(e) {}

  using Row = PatchOrigin;
  __device__ __forceinline__ Row row(int pixel) const {
    // Past the last pixel the origin lies above every image, whatever the tap.
    return pixel < pixels.count ? pixels.origin(pixel) : Row{0, std::numeric_limits<int>::min(), 0};
  }
  __device__ __forceinline__ const T* at(const Row& row, int index) const {
    return image.at(row, taps.tap(index));
  }
};

/// Reads the same matrix transposed: [(kh, kw, c), output pixel].
template <class T>
struct PatchTransposedSource {
  using Element = T;
  static constexpr bool kAlongDepth = false;
  Image<T> image;
  OutPixels pixels;
  Taps taps;
  int patch;

  PatchTransposedSource(const T* x, const ConvExtents& e)
      : image{x, e.height, e.width, e.channels}, pixels(e), taps(e), patch(e.patch()) {}

  using Row = Tap;
  __device__ __forceinline__ Row row(int index) const {
    return index < patch ? taps.tap(index) : Row{0, 0, -1};
  }
  __device__ __forceinline__ const T* at(const Row& row, int pixel) const {
    return row.c < 0 ? nullptr : image.at(pixels.origin(pixel), row);
  }
};

}  // namespace switchyard::kernels

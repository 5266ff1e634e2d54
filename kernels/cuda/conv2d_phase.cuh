#pragma once

#include "kernels/cuda/conv2d_source.cuh"

// The input gradient becomes matrix products here (kernels/cuda/matrix_tile.cuh). A pixel of x gets
// something from a tap (kh, kw) only where oh · stride = ih + padding - kh has a solution. So the
// taps that count depend on (ih mod stride, iw mod stride) alone: the pixels of x fall into stride²
// phases, and within one phase every pixel has the same taps and the product is dense.
//
//   stride 2, 3x3, padding 1:    ih even: kh = 1          0 1 0 1     pixels of phase 0 1 2 3:
//                                ih odd:  kh = 0, 2       2 3 2 3     1, 2, 2 and 4 taps of 9
//
// Without phases 27 of 36 products would be with zeros.

namespace switchyard::kernels {

/// Pixels of x with one phase along one axis, and what they meet: pixel index i of the phase, at
/// ih = i · stride + phase, gets tap t from output i + first_out - t through kernel row
/// first_tap + t · stride.
struct AxisPhase {
  int pixels;
  int taps;
  int first_tap;
  int first_out;

  __device__ AxisPhase(int phase, int extent, int kernel, int stride, int padding)
      : pixels(phase < extent ? (extent - phase - 1) / stride + 1 : 0),
        first_tap((phase + padding) % stride),
        first_out((phase + padding - (phase + padding) % stride) / stride) {
    taps = first_tap < kernel ? (kernel - first_tap - 1) / stride + 1 : 0;
  }
};

/// One phase along both axes.
struct Phase {
  int h, w;
  AxisPhase rows, cols;

  __device__ Phase(const ConvExtents& e, int phase_h, int phase_w)
      : h(phase_h),
        w(phase_w),
        rows(phase_h, e.height, e.kernel_height, e.stride, e.padding),
        cols(phase_w, e.width, e.kernel_width, e.stride, e.padding) {}

  __device__ int pixels(const ConvExtents& e) const { return e.batch * rows.pixels * cols.pixels; }
  __device__ int depth(const ConvExtents& e) const { return rows.taps * cols.taps * e.filters; }
};

/// Position of a pixel of a phase: image, and index along both axes within the phase.
struct PhasePixel {
  int n, i, j;
  __device__ PhasePixel(const Phase& phase, int pixel) {
    const int of_image = phase.rows.pixels * phase.cols.pixels;
    n = pixel / of_image;
    i = pixel % of_image / phase.cols.pixels;
    j = pixel % phase.cols.pixels;
  }
};

/// Position in depth: (tap along h, tap along w, filter), filters fastest.
struct PhaseTap {
  int h, w, filter;
};
struct PhaseTaps {
  Divider filters, across;

  __device__ PhaseTaps(const Divider& filter_count, const Phase& phase)
      : filters(filter_count), across(phase.cols.taps > 0 ? phase.cols.taps : 1) {}
  __device__ __forceinline__ PhaseTap tap(int depth) const {
    const int index = filters.quotient(depth);
    const int h = across.quotient(index);
    return {h, index - h * across.divisor(), depth - index * filters.divisor()};
  }
};

/// Reads what the outputs' gradient gives to each pixel of a phase: [pixel, (tap, filter)].
template <class T>
struct OutputGradSource {
  using Element = T;
  static constexpr bool kAlongDepth = true;
  const T* gy;
  const ConvExtents& e;
  const Phase& phase;
  PhaseTaps taps;
  int count;

  struct Row {
    int line, top, left;
  };
  __device__ __forceinline__ Row row(int pixel) const {
    if (pixel >= count) return {0, -1, 0};  // above every image, whatever the tap
    const PhasePixel at(phase, pixel);
    return {at.n * e.out_height, at.i + phase.rows.first_out, at.j + phase.cols.first_out};
  }
  __device__ __forceinline__ const T* at(const Row& row, int depth) const {
    const PhaseTap tap = taps.tap(depth);
    const int oh = row.top - tap.h;
    const int ow = row.left - tap.w;
    if (oh < 0 || oh >= e.out_height || ow < 0 || ow >= e.out_width) return nullptr;
    return gy + std::int64_t{(row.line + oh) * e.out_width + ow} * e.filters + tap.filter;
  }
};

/// The weights that go with it: [c, (tap, filter)], neighbours in memory along c.
template <class T>
struct PhaseWeightSource {
  using Element = T;
  static constexpr bool kAlongDepth = false;
  const T* w;  // at the phase's first tap
  const ConvExtents& e;
  PhaseTaps taps;

  __device__ PhaseWeightSource(const T* weights, const ConvExtents& extents, const Phase& phase,
                               const PhaseTaps& phase_taps)
      : w(weights +
          (phase.rows.first_tap * extents.kernel_width + phase.cols.first_tap) * extents.channels),
        e(extents),
        taps(phase_taps) {}

  using Row = int;
  __device__ __forceinline__ Row row(int c) const { return c; }
  __device__ __forceinline__ const T* at(Row c, int depth) const {
    if (c >= e.channels) return nullptr;
    const PhaseTap tap = taps.tap(depth);
    const int tap_index = (tap.h * e.kernel_width + tap.w) * e.stride;
    return w + tap.filter * std::int64_t{e.patch()} + tap_index * e.channels + c;
  }
};

/// The pixels of a phase in x's gradient.
template <class T>
struct PhaseSink {
  T* gx;
  const ConvExtents& e;
  const Phase& phase;
  int cols;
  bool wide;

  __device__ __forceinline__ T* row(int pixel) const {
    const PhasePixel at(phase, pixel);
    if (at.n >= e.batch) return nullptr;
    const int ih = at.i * e.stride + phase.h;
    const int iw = at.j * e.stride + phase.w;
    return gx + std::int64_t{(at.n * e.height + ih) * e.width + iw} * cols;
  }
};

}  // namespace switchyard::kernels

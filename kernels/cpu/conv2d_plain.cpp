#include "kernels/cpu/conv2d_plain.h"

namespace switchyard::kernels {
namespace {

/// Returns the index of element (n, h, w, c) of an image.
std::int64_t x_at(const ConvShape& s, std::int64_t n, std::int64_t h, std::int64_t w,
                  std::int64_t c) {
  return ((n * s.height + h) * s.width + w) * s.channels + c;
}
std::int64_t y_at(const ConvShape& s, std::int64_t n, std::int64_t oh, std::int64_t ow,
                  std::int64_t o) {
  return ((n * s.out_height() + oh) * s.out_width() + ow) * s.filters + o;
}
std::int64_t w_at(const ConvShape& s, std::int64_t o, std::int64_t kh, std::int64_t kw,
                  std::int64_t c) {
  return ((o * s.kernel_height + kh) * s.kernel_width + kw) * s.channels + c;
}

/// Calls body(kh, kw) for the taps of the kernel.
template <class Body>
void for_each_tap(const ConvShape& s, const Body& body) {
  for (std::int64_t kh = 0; kh < s.kernel_height; ++kh) {
    for (std::int64_t kw = 0; kw < s.kernel_width; ++kw) body(kh, kw);
  }
}

bool inside(std::int64_t i, std::int64_t size) { return 0 <= i && i < size; }

/// The sum of one output of the forward face.
template <class T>
double output(const Conv2d<T>& a, std::int64_t n, std::int64_t oh, std::int64_t ow,
              std::int64_t o) {
  const ConvShape& s = a.shape;
  double sum = 0.0;
  for_each_tap(s, [&](std::int64_t kh, std::int64_t kw) {
    const std::int64_t ih = oh * s.stride + kh - s.padding;
    const std::int64_t iw = ow * s.stride + kw - s.padding;
    if (!inside(ih, s.height) || !inside(iw, s.width)) return;
    for (std::int64_t c = 0; c < s.channels; ++c) {
      sum += double{a.x[x_at(s, n, ih, iw, c)]} * double{a.w[w_at(s, o, kh, kw, c)]};
    }
  });
  return sum;
}

/// The gradient of one input: every output that it took part in gives a term.
template <class T>
double input_gradient(const Conv2dInputGrad<T>& a, std::int64_t n, std::int64_t ih, std::int64_t iw,
                      std::int64_t c) {
  const ConvShape& s = a.shape;
  double sum = 0.0;
  for_each_tap(s, [&](std::int64_t kh, std::int64_t kw) {
    const std::int64_t top = ih + s.padding - kh;
    const std::int64_t left = iw + s.padding - kw;
    if (top % s.stride != 0 || left % s.stride != 0) return;
    const std::int64_t oh = top / s.stride;
    const std::int64_t ow = left / s.stride;
    if (!inside(oh, s.out_height()) || !inside(ow, s.out_width())) return;
    for (std::int64_t o = 0; o < s.filters; ++o) {
      sum += double{a.gy[y_at(s, n, oh, ow, o)]} * double{a.w[w_at(s, o, kh, kw, c)]};
    }
  });
  return sum;
}

/// The gradient of one weight: every pixel of every image gives a term.
template <class T>
double weight_gradient(const Conv2dWeightGrad<T>& a, std::int64_t o, std::int64_t kh,
                       std::int64_t kw, std::int64_t c) {
  const ConvShape& s = a.shape;
  double sum = 0.0;
  for (std::int64_t n = 0; n < s.batch; ++n) {
    for (std::int64_t oh = 0; oh < s.out_height(); ++oh) {
      const std::int64_t ih = oh * s.stride + kh - s.padding;
      if (!inside(ih, s.height)) continue;
      for (std::int64_t ow = 0; ow < s.out_width(); ++ow) {
        const std::int64_t iw = ow * s.stride + kw - s.padding;
        if (!inside(iw, s.width)) continue;
        sum += double{a.x[x_at(s, n, ih, iw, c)]} * double{a.gy[y_at(s, n, oh, ow, o)]};
      }
    }
  }
  return sum;
}

}  // namespace

template <class T>
void conv2d_plain_loops(Cpu&, const Conv2d<T>& a) {
  const ConvShape& s = a.shape;
  for (std::int64_t i = 0; i < s.y_size(); ++i) {
    const std::int64_t pixel = i / s.filters;
    const std::int64_t row = pixel / s.out_width();
    a.y[i] = static_cast<T>(output(a, row / s.out_height(), row % s.out_height(),
                                   pixel % s.out_width(), i % s.filters));
  }
}

template <class T>
void conv2d_plain_loops(Cpu&, const Conv2dInputGrad<T>& a) {
  const ConvShape& s = a.shape;
  for (std::int64_t i = 0; i < s.x_size(); ++i) {
    const std::int64_t pixel = i / s.channels;
    const std::int64_t row = pixel / s.width;
    a.gx[i] = static_cast<T>(
        input_gradient(a, row / s.height, row % s.height, pixel % s.width, i % s.channels));
  }
}

template <class T>
void conv2d_plain_loops(Cpu&, const Conv2dWeightGrad<T>& a) {
  const ConvShape& s = a.shape;
  for (std::int64_t i = 0; i < s.w_size(); ++i) {
    const std::int64_t tap = i / s.channels;
    a.gw[i] = static_cast<T>(weight_gradient(a, tap / (s.kernel_height * s.kernel_width),
                                             tap / s.kernel_width % s.kernel_height,
                                             tap % s.kernel_width, i % s.channels));
  }
}

template void conv2d_plain_loops(Cpu&, const Conv2d<float>&);
template void conv2d_plain_loops(Cpu&, const Conv2d<double>&);
template void conv2d_plain_loops(Cpu&, const Conv2dInputGrad<float>&);
template void conv2d_plain_loops(Cpu&, const Conv2dInputGrad<double>&);
template void conv2d_plain_loops(Cpu&, const Conv2dWeightGrad<float>&);
template void conv2d_plain_loops(Cpu&, const Conv2dWeightGrad<double>&);

}  // namespace switchyard::kernels

#pragma once

#include <cstdint>

#include "kernels/api/executor.h"

namespace switchyard::kernels {

/// Sizes of a convolution (groups 1, dilation 1). x [N, H, W, C], w [O, KH, KW, C],
/// y [N, OH, OW, O], all row-major. The caller has checked that the kernel fits into the padded
/// image. Sizes of 0 are legal.
struct ConvShape {
  std::int64_t batch = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t filters = 0;
  std::int64_t kernel_height = 1;
  std::int64_t kernel_width = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  std::int64_t out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
  std::int64_t out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
  std::int64_t x_size() const { return batch * height * width * channels; }
  std::int64_t y_size() const { return batch * out_height() * out_width() * filters; }
  std::int64_t w_size() const { return filters * patch_size(); }
  /// Inputs that one output reads: KH · KW · C.
  std::int64_t patch_size() const { return kernel_height * kernel_width * channels; }
  bool operator==(const ConvShape&) const = default;
};

// One trilinear form with three faces; each overwrites its result. T is float or double.
// y[n, oh, ow, o] = Σ x[n, oh·stride + kh - padding, ow·stride + kw - padding, c] · w[o, kh, kw, c]

template <class Exec, class T>
void conv2d(Exec& executor, const ConvShape& shape, const T* x, const T* w, T* y);

/// gx = ∂<gy, y>/∂x.
template <class Exec, class T>
void conv2d_input_grad(Exec& executor, const ConvShape& shape, const T* gy, const T* w, T* gx);

/// gw = ∂<gy, y>/∂w.
template <class Exec, class T>
void conv2d_weight_grad(Exec& executor, const ConvShape& shape, const T* x, const T* gy, T* gw);

}  // namespace switchyard::kernels

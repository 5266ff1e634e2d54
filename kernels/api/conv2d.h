#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/common/bfloat16.h"

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
  /// Counts the operations of one face, the taps that meet the padding among them.
  double flops() const {
    return 2.0 * static_cast<double>(y_size()) * static_cast<double>(patch_size());
  }
  bool operator==(const ConvShape&) const = default;
};

/// The faces of the trilinear form below.
enum class ConvFace : std::uint8_t { kForward, kInputGrad, kWeightGrad };

// Convolution is one trilinear form with three faces; each overwrites its result. T is float,
// double, or bfloat16 with float32 sums and results.
// y[n, oh, ow, o] = Σ x[n, oh·stride + kh - padding, ow·stride + kw - padding, c] · w[o, kh, kw, c]

/// y = x * w.
template <class T>
struct Conv2d {
  static constexpr std::string_view kName = "conv2d";
  ConvShape shape;
  const T* x = nullptr;      ///< [N, H, W, C]
  const T* w = nullptr;      ///< [O, KH, KW, C]
  ResultOf<T>* y = nullptr;  ///< [N, OH, OW, O]
  Work work() const {
    return {.bytes = bytes_of<T>(shape.x_size() + shape.w_size()) +
                     bytes_of<ResultOf<T>>(shape.y_size()),
            .flops = shape.flops()};
  }
};

/// gx = ∂<gy, y>/∂x.
template <class T>
struct Conv2dInputGrad {
  static constexpr std::string_view kName = "conv2d_input_grad";
  ConvShape shape;
  const T* gy = nullptr;      ///< [N, OH, OW, O]
  const T* w = nullptr;       ///< [O, KH, KW, C]
  ResultOf<T>* gx = nullptr;  ///< [N, H, W, C]
  Work work() const {
    return {.bytes = bytes_of<T>(shape.y_size() + shape.w_size()) +
                     bytes_of<ResultOf<T>>(shape.x_size()),
            .flops = shape.flops()};
  }
};

/// gw = ∂<gy, y>/∂w.
template <class T>
struct Conv2dWeightGrad {
  static constexpr std::string_view kName = "conv2d_weight_grad";
  ConvShape shape;
  const T* x = nullptr;       ///< [N, H, W, C]
  const T* gy = nullptr;      ///< [N, OH, OW, O]
  ResultOf<T>* gw = nullptr;  ///< [O, KH, KW, C]
  Work work() const {
    return {.bytes = bytes_of<T>(shape.x_size() + shape.y_size()) +
                     bytes_of<ResultOf<T>>(shape.w_size()),
            .flops = shape.flops()};
  }
};

}  // namespace switchyard::kernels

#pragma once

#include <cstdint>

#include "kernels/api/executor.h"
#include "kernels/api/variants.h"
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
  bool operator==(const ConvShape&) const = default;
};

/// The faces of the trilinear form below.
enum class ConvFace : std::uint8_t { kForward, kInputGrad, kWeightGrad };

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

// The same of bfloat16 operands, with float32 sums and results.

template <class Exec>
void conv2d_bf16(Exec& executor, const ConvShape& shape, const BFloat16* x, const BFloat16* w,
                 float* y);
template <class Exec>
void conv2d_input_grad_bf16(Exec& executor, const ConvShape& shape, const BFloat16* gy,
                            const BFloat16* w, float* gx);
template <class Exec>
void conv2d_weight_grad_bf16(Exec& executor, const ConvShape& shape, const BFloat16* x,
                             const BFloat16* gy, float* gw);

/// Any of the faces: two operands and the result, in the order above.
template <class Exec, class T>
using ConvFunction = void(Exec&, const ConvShape& shape, const T* first, const T* second,
                          T* result);
template <class Exec>
using ConvBf16Function = void(Exec&, const ConvShape& shape, const BFloat16* first,
                              const BFloat16* second, float* result);

// The ladders behind them (kernels/cuda/conv2d_*.cu). A variant throws std::invalid_argument where
// what it needs is not met and for sizes that 32-bit indices do not cover.
template <class Exec, class T>
VariantLadder<ConvFunction<Exec, T>> conv2d_ladder();
template <class Exec, class T>
VariantLadder<ConvFunction<Exec, T>> conv2d_input_grad_ladder();
template <class Exec, class T>
VariantLadder<ConvFunction<Exec, T>> conv2d_weight_grad_ladder();
template <class Exec>
VariantLadder<ConvBf16Function<Exec>> conv2d_bf16_ladder();
template <class Exec>
VariantLadder<ConvBf16Function<Exec>> conv2d_input_grad_bf16_ladder();
template <class Exec>
VariantLadder<ConvBf16Function<Exec>> conv2d_weight_grad_bf16_ladder();

}  // namespace switchyard::kernels

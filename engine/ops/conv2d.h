#pragma once

#include "engine/core/tensor.h"

namespace switchyard {

/// Square stride and zero padding of a convolution (groups 1, dilation 1).
struct ConvParams {
  int stride = 1;
  int padding = 0;
};

// Convolution is one trilinear form <gy, conv(x, w)> with three faces, each the derivative of the
// others. x [N, H, W, C], w [O, KH, KW, C], y [N, OH, OW, O] with OH = (H + 2·padding - KH) /
// stride + 1. Errors: ranks, channel counts, kernels larger than the padded image, naming the
// shapes.

Tensor conv2d(const Tensor& x, const Tensor& w, ConvParams params);
/// Computes the gradient with respect to x; `x_shape` picks the height and width that the stride
/// rounds away.
Tensor conv2d_input_grad(const Tensor& gy, const Tensor& w, const Shape& x_shape,
                         ConvParams params);
/// Computes the gradient with respect to w, [O, KH, KW, C].
Tensor conv2d_weight_grad(const Tensor& x, const Tensor& gy, const Shape& w_shape,
                          ConvParams params);

}  // namespace switchyard

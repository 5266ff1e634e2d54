#include "engine/ops/conv2d.h"

#include <limits>

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "kernels/api/conv2d.h"

namespace switchyard {
namespace {

/// Sizes of the convolution of x with w, checked; `op` is the face that was called.
kernels::ConvShape conv_shape(std::string_view op, const Shape& x, const Shape& w, ConvParams p) {
  check(x.rank() == 4 && w.rank() == 4, "[{}] needs x [N, H, W, C] and w [O, KH, KW, C], got {} {}",
        op, x, w);
  check(x[3] == w[3], "[{}] x {} has {} channels, w {} expects {}", op, x, x[3], w, w[3]);
  check(p.stride >= 1 && p.padding >= 0,
        "[{}] needs stride >= 1 and padding >= 0, got stride {} and padding {}", op, p.stride,
        p.padding);
  for (const Shape* shape : {&x, &w}) {
    for (std::int64_t size : *shape) {
      check(size <= std::numeric_limits<std::int32_t>::max(),
            "[{}] a size of {} does not fit into 32 bits", op, *shape);
    }
  }
  const std::int64_t border = 2 * std::int64_t{p.padding};
  check(w[1] >= 1 && w[2] >= 1 && w[1] <= x[1] + border && w[2] <= x[2] + border,
        "[{}] the {}x{} kernel of w {} does not fit into x {} with padding {}", op, w[1], w[2], w,
        x, p.padding);
  return {x[0], x[1], x[2], x[3], w[0], w[1], w[2], p.stride, p.padding};
}

Shape y_shape(const kernels::ConvShape& s) {
  return {s.batch, s.out_height(), s.out_width(), s.filters};
}

void check_cotangent(std::string_view op, const Shape& gy, const kernels::ConvShape& s) {
  check(gy == y_shape(s), "[{}] gy is {}, the convolution's result {}", op, gy, y_shape(s));
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, ConvParams params) {
  check_same_kind("conv2d", {&x, &w});
  const kernels::ConvShape s = conv_shape("conv2d", x.shape(), w.shape(), params);
  Tensor y = Tensor::empty(y_shape(s), sum_dtype(x.dtype()), x.device());
  run_with_bfloat16("conv2d", x, [&]<class T>() {
    return kernels::Conv2d<T>{
        .shape = s, .x = x.data<T>(), .w = w.data<T>(), .y = y.data<kernels::ResultOf<T>>()};
  });
  return record({"conv2d", {{"stride", params.stride}, {"padding", params.padding}}},
                y.to(x.dtype()), {x, w}, Saved::partners(x, w),
                [params](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& gy = v.cotangent();
                  Tensor gx;
                  Tensor gw;
                  if (v.needs(0)) gx = conv2d_input_grad(gy, v.input(1), v.input_shape(0), params);
                  if (v.needs(1)) gw = conv2d_weight_grad(v.input(0), gy, v.input_shape(1), params);
                  return {gx, gw};
                });
}

Tensor conv2d_input_grad(const Tensor& gy, const Tensor& w, const Shape& x_shape,
                         ConvParams params) {
  check_same_kind("conv2d_input_grad", {&gy, &w});
  const kernels::ConvShape s = conv_shape("conv2d_input_grad", x_shape, w.shape(), params);
  check_cotangent("conv2d_input_grad", gy.shape(), s);
  Tensor gx = Tensor::empty(x_shape, sum_dtype(gy.dtype()), gy.device());
  run_with_bfloat16("conv2d_input_grad", gy, [&]<class T>() {
    return kernels::Conv2dInputGrad<T>{
        .shape = s, .gy = gy.data<T>(), .w = w.data<T>(), .gx = gx.data<kernels::ResultOf<T>>()};
  });
  return record({"conv2d_input_grad", {{"stride", params.stride}, {"padding", params.padding}}},
                gx.to(gy.dtype()), {gy, w}, Saved::partners(gy, w),
                [params](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& c = v.cotangent();
                  Tensor ggy;
                  Tensor gw;
                  if (v.needs(0)) ggy = conv2d(c, v.input(1), params);
                  if (v.needs(1)) gw = conv2d_weight_grad(c, v.input(0), v.input_shape(1), params);
                  return {ggy, gw};
                });
}

Tensor conv2d_weight_grad(const Tensor& x, const Tensor& gy, const Shape& w_shape,
                          ConvParams params) {
  check_same_kind("conv2d_weight_grad", {&x, &gy});
  const kernels::ConvShape s = conv_shape("conv2d_weight_grad", x.shape(), w_shape, params);
  check_cotangent("conv2d_weight_grad", gy.shape(), s);
  Tensor gw = Tensor::empty(w_shape, sum_dtype(x.dtype()), x.device());
  run_with_bfloat16("conv2d_weight_grad", x, [&]<class T>() {
    return kernels::Conv2dWeightGrad<T>{
        .shape = s, .x = x.data<T>(), .gy = gy.data<T>(), .gw = gw.data<kernels::ResultOf<T>>()};
  });
  return record({"conv2d_weight_grad", {{"stride", params.stride}, {"padding", params.padding}}},
                gw.to(x.dtype()), {x, gy}, Saved::partners(x, gy),
                [params](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& c = v.cotangent();
                  Tensor gx;
                  Tensor ggy;
                  if (v.needs(0)) gx = conv2d_input_grad(v.input(1), c, v.input_shape(0), params);
                  if (v.needs(1)) ggy = conv2d(v.input(0), c, params);
                  return {gx, ggy};
                });
}

}  // namespace switchyard

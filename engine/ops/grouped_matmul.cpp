#include "kernels/api/grouped_matmul.h"
#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "engine/ops/matmul.h"

namespace switchyard {
namespace {

/// The segments of `rows` rows. Their order is looked at on the CPU alone: on other devices the
/// host would have to wait for them, and make_routing() has made them.
void check_offsets(std::string_view op, const Tensor& x, const Tensor& offsets, std::int64_t rows) {
  check(offsets.defined() && offsets.dtype() == DType::kInt64 && offsets.rank() == 1 &&
            offsets.numel() >= 1,
        "[{}] offsets must be a row of [experts + 1] int64", op);
  check_same_device(op, {&x, &offsets});
  if (offsets.device() != Device::kCpu) return;
  const auto segments = offsets.span<std::int64_t>();
  check(segments.front() == 0 && segments.back() == rows,
        "[{}] offsets run from {} to {}, expected 0 to {} rows", op, segments.front(),
        segments.back(), rows);
  for (std::size_t e = 0; e + 1 < segments.size(); ++e) {
    check(segments[e] <= segments[e + 1], "[{}] offsets descend at expert {}: {} to {}", op, e,
          segments[e], segments[e + 1]);
  }
}

/// Checks the operands of a product of x with every expert's matrix.
kernels::GroupedShape grouped_shape(std::string_view op, const Tensor& x, const Tensor& w,
                                    const Tensor& offsets, bool transpose_w) {
  check_same_kind(op, {&x, &w});
  check(x.rank() == 2 && w.rank() == 3, "[{}] needs x [S, K] and w [E, {}], got {} {}", op,
        transpose_w ? "N, K" : "K, N", x.shape(), w.shape());
  const kernels::GroupedShape shape = {x.size(0), w.size(0), w.size(transpose_w ? 2 : 1),
                                       w.size(transpose_w ? 1 : 2)};
  check(x.size(1) == shape.inner, "[{}] inner sizes differ: x {} times w {}{}", op, x.shape(),
        w.shape(), transpose_w ? " transposed" : "");
  check_offsets(op, x, offsets, shape.rows);
  check(offsets.numel() == shape.experts + 1, "[{}] offsets {} do not fit w {}", op,
        offsets.shape(), w.shape());
  return shape;
}

}  // namespace

Tensor grouped_matmul(const Tensor& x, const Tensor& w, const Tensor& offsets, bool transpose_w) {
  const kernels::GroupedShape shape = grouped_shape("grouped_matmul", x, w, offsets, transpose_w);
  Tensor y = Tensor::empty({shape.rows, shape.cols}, x.dtype(), x.device());
  run_with_bfloat16("grouped_matmul", x, [&]<class T>() {
    return kernels::GroupedMatmul<T>{.shape = shape,
                                     .offsets = offsets.data<std::int64_t>(),
                                     .x = x.data<T>(),
                                     .w = w.data<T>(),
                                     .transpose_w = transpose_w,
                                     .y = y.data<T>()};
  });
  return record({"grouped_matmul", {{"transpose_w", transpose_w}}}, y, {x, w, offsets},
                Saved::partners(x, w).and_input(2),
                [transpose_w](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& gy = v.cotangent();
                  const Tensor& segments = v.input(2);
                  Tensor gx;
                  Tensor gw;
                  if (v.needs(0)) gx = grouped_matmul(gy, v.input(1), segments, !transpose_w);
                  if (v.needs(1)) {
                    gw = transpose_w ? grouped_matmul_weight_grad(gy, v.input(0), segments)
                                     : grouped_matmul_weight_grad(v.input(0), gy, segments);
                  }
                  return {gx, gw, Tensor()};
                });
}

Tensor grouped_matmul_weight_grad(const Tensor& x, const Tensor& gy, const Tensor& offsets) {
  check_same_kind("grouped_matmul_weight_grad", {&x, &gy});
  check(x.rank() == 2 && gy.rank() == 2 && x.size(0) == gy.size(0),
        "[grouped_matmul_weight_grad] needs x [S, K] and gy [S, N], got {} and {}", x.shape(),
        gy.shape());
  check_offsets("grouped_matmul_weight_grad", x, offsets, x.size(0));
  const kernels::GroupedShape shape = {x.size(0), offsets.numel() - 1, x.size(1), gy.size(1)};
  Tensor gw = Tensor::empty({shape.experts, shape.inner, shape.cols}, x.dtype(), x.device());
  run_with_bfloat16("grouped_matmul_weight_grad", x, [&]<class T>() {
    return kernels::GroupedMatmulWeightGrad<T>{.shape = shape,
                                               .offsets = offsets.data<std::int64_t>(),
                                               .x = x.data<T>(),
                                               .gy = gy.data<T>(),
                                               .gw = gw.data<T>()};
  });
  return record("grouped_matmul_weight_grad", gw, {x, gy, offsets},
                Saved::partners(x, gy).and_input(2), [](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& c = v.cotangent();  // [E, K, N]
                  const Tensor& segments = v.input(2);
                  Tensor gx;
                  Tensor ggy;
                  if (v.needs(0)) gx = grouped_matmul(v.input(1), c, segments, true);
                  if (v.needs(1)) ggy = grouped_matmul(v.input(0), c, segments, false);
                  return {gx, ggy, Tensor()};
                });
}

Tensor grouped_linear(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& offsets) {
  const kernels::GroupedShape shape = grouped_shape("grouped_linear", x, w, offsets, true);
  check_same_kind("grouped_linear", {&x, &bias});
  check(bias.shape() == Shape{shape.experts, shape.cols},
        "[grouped_linear] bias is {}, expected [{}, {}] for w {}", bias.shape(), shape.experts,
        shape.cols, w.shape());
  Tensor y = Tensor::empty({shape.rows, shape.cols}, x.dtype(), x.device());
  run_with_bfloat16("grouped_linear", x, [&]<class T>() {
    return kernels::GroupedMatmul<T>{.shape = shape,
                                     .offsets = offsets.data<std::int64_t>(),
                                     .x = x.data<T>(),
                                     .w = w.data<T>(),
                                     .transpose_w = true,
                                     .bias = bias.data<T>(),
                                     .y = y.data<T>()};
  });
  return record("grouped_linear", y, {x, w, bias, offsets}, Saved::partners(x, w).and_input(3),
                [](const Vjp& v) -> std::vector<Tensor> {
                  const Tensor& gy = v.cotangent();
                  const Tensor& segments = v.input(3);
                  Tensor gx;
                  Tensor gw;
                  Tensor gbias;
                  if (v.needs(0)) gx = grouped_matmul(gy, v.input(1), segments, false);
                  if (v.needs(1)) gw = grouped_matmul_weight_grad(gy, v.input(0), segments);
                  if (v.needs(2)) gbias = segment_sum(gy, segments);
                  return {gx, gw, gbias, Tensor()};
                });
}

Tensor segment_sum(const Tensor& x, const Tensor& offsets) {
  check_same_kind("segment_sum", {&x});
  check(x.rank() == 2, "[segment_sum] needs x [S, N], got {}", x.shape());
  check_offsets("segment_sum", x, offsets, x.size(0));
  Tensor y = Tensor::empty({offsets.numel() - 1, x.size(1)}, x.dtype(), x.device());
  run_with_bfloat16("segment_sum", x, [&]<class T>() {
    return kernels::SegmentSum<T>{.offsets = offsets.data<std::int64_t>(),
                                  .x = x.data<T>(),
                                  .y = y.data<T>(),
                                  .rows = x.size(0),
                                  .experts = y.size(0),
                                  .cols = x.size(1)};
  });
  return record(
      "segment_sum", y, {x, offsets}, Saved::inputs({1}), [](const Vjp& v) -> std::vector<Tensor> {
        return {segment_broadcast(v.cotangent(), v.input(1), v.input_shape(0)[0]), Tensor()};
      });
}

Tensor segment_broadcast(const Tensor& x, const Tensor& offsets, std::int64_t rows) {
  check_same_kind("segment_broadcast", {&x});
  check(x.rank() == 2 && x.size(0) == offsets.numel() - 1,
        "[segment_broadcast] needs a row for each of the {} experts, got {}", offsets.numel() - 1,
        x.shape());
  check_offsets("segment_broadcast", x, offsets, rows);
  Tensor y = Tensor::empty({rows, x.size(1)}, x.dtype(), x.device());
  run_with_bfloat16(
      "segment_broadcast", x, [&]<class T>() {  // a product without an inner size leaves the bias
        return kernels::GroupedMatmul<T>{
            .shape = {.rows = rows, .experts = x.size(0), .inner = 0, .cols = x.size(1)},
            .offsets = offsets.data<std::int64_t>(),
            .bias = x.data<T>(),
            .y = y.data<T>()};
      });
  return record("segment_broadcast", y, {x, offsets}, Saved::inputs({1}),
                [](const Vjp& v) -> std::vector<Tensor> {
                  return {segment_sum(v.cotangent(), v.input(1)), Tensor()};
                });
}

}  // namespace switchyard

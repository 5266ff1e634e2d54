#pragma once

#include <vector>

#include "kernels/api/elementwise.h"
#include "kernels/api/grouped_matmul.h"
#include "kernels/api/matmul.h"
#include "kernels/api/run.h"
#include "kernels/api/shape.h"
#include "kernels/common/device_array.h"
#include "kernels/common/moe_sequences.h"
#include "kernels/common/slot_moves.h"

// How the sequences work. One file per executor includes this and instantiates MoeSequences.

namespace switchyard::kernels {

/// The segments' ends, for the host: waits for the device.
template <class Exec>
std::vector<std::int64_t> offsets_on_host(Exec& exec, const MoeRoutes& routes,
                                          std::int64_t experts) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(experts + 1));
  copy_to_host(exec, offsets.data(), routes.offsets, offsets.size() * sizeof(std::int64_t));
  return offsets;
}

/// y [rows, cols] += bias [cols].
template <class T, class Exec>
void add_bias_rows(Exec& exec, std::int64_t rows, std::int64_t cols, const T* bias, T* y) {
  const std::int64_t matrix[] = {rows, cols};
  const std::int64_t row[] = {cols};
  run(exec,
      MapBinary<Add, T>{.a = y, .b = bias, .y = y, .plan = plan_broadcast(matrix, matrix, row)});
}

/// y [m, n] = a product of one expert, plus `bias` [n] if there is one. A product of bfloat16 is
/// float32: it is rounded when all is added.
template <class T, class Exec>
void expert_product(Exec& exec, const MatmulShape& shape, const T* a, const T* b, const T* bias,
                    T* y) {
  if (shape.m == 0 || shape.n == 0) return;
  using Sum = ResultOf<T>;
  if constexpr (std::is_same_v<T, Sum>) {
    run(exec, Matmul<T>{.shape = shape, .a = a, .b = b, .c = y});
    if (bias != nullptr) add_bias_rows(exec, shape.m, shape.n, bias, y);
  } else {
    const std::int64_t count = shape.m * shape.n;
    const DeviceArray<Exec, Sum> sums(exec, count);
    const DeviceArray<Exec, Sum> wide_bias(exec, bias != nullptr ? shape.n : 0);
    run(exec, Matmul<T>{.shape = shape, .a = a, .b = b, .c = sums.data()});
    if (bias != nullptr) {
      run(exec, Convert<T, Sum>{.x = bias, .y = wide_bias.data(), .count = shape.n});
      add_bias_rows(exec, shape.m, shape.n, wide_bias.data(), sums.data());
    }
    run(exec, Convert<Sum, T>{.x = sums.data(), .y = y, .count = count});
  }
}

/// y [rows, cols] = x [rows, inner] wᵀ + bias for one expert.
template <class T, class Exec>
void expert_linear(Exec& exec, std::int64_t rows, std::int64_t inner, std::int64_t cols, const T* x,
                   const T* w, const T* bias, T* y) {
  expert_product<T>(exec, {.m = rows, .n = cols, .k = inner, .transpose_b = true}, x, w, bias, y);
}

/// The products over all segments as one kernel each.
template <class Exec, class T>
class GroupedProducts {
 public:
  GroupedProducts(Exec& exec, const MoeShape& shape, const MoeRoutes& routes)
      : exec_(exec), rows_(shape.slots), experts_(shape.experts), offsets_(routes.offsets) {}

  /// y [S, cols] = x [S, inner] w_eᵀ + bias_e, w [E, cols, inner].
  void linear(std::int64_t inner, std::int64_t cols, const T* x, const T* w, const T* bias,
              T* y) const {
    run(exec_, GroupedMatmul<T>{.shape = {rows_, experts_, inner, cols},
                                .offsets = offsets_,
                                .x = x,
                                .w = w,
                                .transpose_w = true,
                                .bias = bias,
                                .y = y});
  }
  /// y [S, cols] = x [S, inner] w_e, w [E, inner, cols].
  void product(std::int64_t inner, std::int64_t cols, const T* x, const T* w, T* y) const {
    run(exec_,
        GroupedMatmul<T>{
            .shape = {rows_, experts_, inner, cols}, .offsets = offsets_, .x = x, .w = w, .y = y});
  }
  /// gw_e [inner, cols] = x_eᵀ gy_e.
  void weight_grad(std::int64_t inner, std::int64_t cols, const T* x, const T* gy, T* gw) const {
    run(exec_, GroupedMatmulWeightGrad<T>{.shape = {rows_, experts_, inner, cols},
                                          .offsets = offsets_,
                                          .x = x,
                                          .gy = gy,
                                          .gw = gw});
  }

 private:
  Exec& exec_;
  std::int64_t rows_, experts_;
  const std::int64_t* offsets_;
};

/// The same products, one kernel per expert that has rows.
template <class Exec, class T>
class ProductPerExpert {
 public:
  ProductPerExpert(Exec& exec, const MoeShape& shape, const MoeRoutes& routes)
      : exec_(exec), offsets_(offsets_on_host(exec, routes, shape.experts)) {}

  void linear(std::int64_t inner, std::int64_t cols, const T* x, const T* w, const T* bias,
              T* y) const {
    for_each_expert([&](std::int64_t e, std::int64_t first, std::int64_t rows) {
      expert_linear(exec_, rows, inner, cols, x + first * inner, w + e * inner * cols,
                    bias == nullptr ? nullptr : bias + e * cols, y + first * cols);
    });
  }
  void product(std::int64_t inner, std::int64_t cols, const T* x, const T* w, T* y) const {
    for_each_expert([&](std::int64_t e, std::int64_t first, std::int64_t rows) {
      expert_product<T>(exec_, {.m = rows, .n = cols, .k = inner}, x + first * inner,
                        w + e * inner * cols, nullptr, y + first * cols);
    });
  }
  void weight_grad(std::int64_t inner, std::int64_t cols, const T* x, const T* gy, T* gw) const {
    for_each_expert([&](std::int64_t e, std::int64_t first, std::int64_t rows) {
      expert_product<T>(exec_, {.m = inner, .n = cols, .k = rows, .transpose_a = true},
                        x + first * inner, gy + first * cols, nullptr, gw + e * inner * cols);
    });
  }

 private:
  template <class Body>
  void for_each_expert(const Body& body) const {
    for (std::size_t e = 0; e + 1 < offsets_.size(); ++e) {
      body(static_cast<std::int64_t>(e), offsets_[e], offsets_[e + 1] - offsets_[e]);
    }
  }

  Exec& exec_;
  std::vector<std::int64_t> offsets_;
};

/// Sorted rows are copied, multiplied, activated, multiplied, and added up: five kernels, or two
/// and three per expert.
template <template <class, class> class Products, class Exec, class T>
void moe_forward_sorted(Exec& exec, const MoeForward<T>& a) {
  const MoeShape& s = a.shape;
  const Products<Exec, T> products(exec, s, a.routes);
  const DeviceArray<Exec, T> rows(exec, s.slots * s.width);
  const DeviceArray<Exec, T> own_u(exec, a.u == nullptr ? s.slots * s.wide() : 0);
  const DeviceArray<Exec, T> h(exec, s.slots * s.hidden);
  const DeviceArray<Exec, T> outputs(exec, s.slots * s.out);
  T* const u = a.u == nullptr ? own_u.data() : a.u;
  gather_slots<T>(exec, s, a.routes, s.width, a.x, nullptr, rows.data());
  products.linear(s.width, s.wide(), rows.data(), a.experts.w_in, a.experts.b_in, u);
  run(exec,
      ActivateExperts<T>{
          .activation = s.activation, .rows = s.slots, .hidden = s.hidden, .u = u, .h = h.data()});
  products.linear(s.hidden, s.out, h.data(), a.experts.w_out, a.experts.b_out, outputs.data());
  sum_slots<T>(exec, s, a.routes, s.out, outputs.data(), a.weights, a.y);
}

/// The gradients of the weights, and what leads to those of the matrices: gu, and h times its
/// weight where `h` is not null. An expert's output is not needed (moe.h).
template <class T, class Exec>
void through_activation(Exec& exec, const MoeBackward<T>& a, const T* u, const T* g, T* gu, T* h) {
  const MoeShape& s = a.shape;
  const bool dots = a.gweights != nullptr && a.experts.b_out != nullptr;
  const DeviceArray<Exec, ResultOf<T>> bias_dots(exec, dots ? s.tokens * s.experts : 0);
  if (dots) {
    run(exec, Matmul<T>{.shape = {.m = s.tokens, .n = s.experts, .k = s.out, .transpose_b = true},
                        .a = a.gy,
                        .b = a.experts.b_out,
                        .c = bias_dots.data()});
  }
  run(exec, ActivateExpertsGrad<T>{.activation = s.activation,
                                   .rows = s.slots,
                                   .hidden = s.hidden,
                                   .k = s.k,
                                   .experts = s.experts,
                                   .permutation = a.routes.permutation,
                                   .indices = a.routes.indices,
                                   .weights = a.weights,
                                   .u = u,
                                   .g = g,
                                   .bias_dots = dots ? bias_dots.data() : nullptr,
                                   .gu = gu,
                                   .h = h,
                                   .gweights = a.gweights});
}

template <class T, class Exec>
void sum_segments(Exec& exec, const MoeShape& s, const MoeRoutes& routes, std::int64_t cols,
                  const T* x, T* y) {
  run(exec, SegmentSum<T>{.offsets = routes.offsets,
                          .x = x,
                          .y = y,
                          .rows = s.slots,
                          .experts = s.experts,
                          .cols = cols});
}

/// Everything but the sum over a token's experts: a.gx is not written, but `gx` [S, D] if it is not
/// null.
template <template <class, class> class Products, class Exec, class T>
void moe_backward_slots(Exec& exec, const MoeBackward<T>& a, T* gx) {
  const MoeShape& s = a.shape;
  const Products<Exec, T> products(exec, s, a.routes);
  const bool reads_x = a.gw_in != nullptr || a.u == nullptr;
  const DeviceArray<Exec, T> x(exec, reads_x ? s.slots * s.width : 0);
  const DeviceArray<Exec, T> own_u(exec, a.u == nullptr ? s.slots * s.wide() : 0);
  const DeviceArray<Exec, T> gy(exec, s.slots * s.out);
  const DeviceArray<Exec, T> g(exec, s.slots * s.hidden);
  const DeviceArray<Exec, T> gu(exec, s.slots * s.wide());
  const DeviceArray<Exec, T> h(exec, a.gw_out != nullptr ? s.slots * s.hidden : 0);
  const T* u = a.u;
  if (reads_x) gather_slots<T>(exec, s, a.routes, s.width, a.x, nullptr, x.data());
  if (u == nullptr) {
    products.linear(s.width, s.wide(), x.data(), a.experts.w_in, a.experts.b_in, own_u.data());
    u = own_u.data();
  }
  gather_slots<T>(exec, s, a.routes, s.out, a.gy, nullptr, gy.data());
  products.product(s.out, s.hidden, gy.data(), a.experts.w_out, g.data());
  through_activation(exec, a, u, g.data(), gu.data(), a.gw_out == nullptr ? nullptr : h.data());
  if (a.gw_out != nullptr) products.weight_grad(s.out, s.hidden, gy.data(), h.data(), a.gw_out);
  if (a.gb_out != nullptr) {
    gather_slots<T>(exec, s, a.routes, s.out, a.gy, a.weights, gy.data());
    sum_segments<T>(exec, s, a.routes, s.out, gy.data(), a.gb_out);
  }
  if (a.gw_in != nullptr) products.weight_grad(s.wide(), s.width, gu.data(), x.data(), a.gw_in);
  if (a.gb_in != nullptr) sum_segments<T>(exec, s, a.routes, s.wide(), gu.data(), a.gb_in);
  if (gx != nullptr) products.product(s.wide(), s.width, gu.data(), a.experts.w_in, gx);
}

template <template <class, class> class Products, class Exec, class T>
void moe_backward_sorted(Exec& exec, const MoeBackward<T>& a) {
  const MoeShape& s = a.shape;
  if (a.gweights != nullptr && s.slots < s.tokens * s.k) {
    clear(exec, a.gweights, static_cast<std::size_t>(s.tokens * s.k) * sizeof(ResultOf<T>));
  }
  const DeviceArray<Exec, T> gx(exec, a.gx != nullptr ? s.slots * s.width : 0);
  moe_backward_slots<Products>(exec, a, a.gx != nullptr ? gx.data() : nullptr);
  if (a.gx != nullptr) sum_slots<T>(exec, s, a.routes, s.width, gx.data(), nullptr, a.gx);
}

// ---- the published code's way: for each expert a mask over all assignments

/// Calls body(expert, its assignments, how many, those of the experts before it) for each expert,
/// and waits each time for the device to count them.
template <class Exec, class Body>
void for_each_mask(Exec& exec, const MoeShape& s, const MoeRoutes& routes, const Body& body) {
  const std::int64_t assignments = s.tokens * s.k;
  const DeviceArray<Exec, std::int64_t> positions(exec, assignments);
  const DeviceArray<Exec, std::int64_t> count(exec, 1);
  std::int64_t before = 0;
  for (std::int64_t e = 0; e < s.experts; ++e) {
    run(exec, SelectAssignments{.indices = routes.indices,
                                .assignments = assignments,
                                .expert = e,
                                .positions = positions.data(),
                                .count = count.data()});
    std::int64_t rows = 0;
    copy_to_host(exec, &rows, count.data(), sizeof(rows));
    body(e, positions.data(), rows, before);
    before += rows;
  }
}

/// One expert alone, as a layer whose routes are the positions that chose it.
template <class T>
MoeWeights<T> expert_weights(const MoeWeights<T>& all, const MoeShape& s, std::int64_t e) {
  return {.w_in = all.w_in + e * s.wide() * s.width,
          .b_in = all.b_in == nullptr ? nullptr : all.b_in + e * s.wide(),
          .w_out = all.w_out + e * s.out * s.hidden,
          .b_out = all.b_out == nullptr ? nullptr : all.b_out + e * s.out};
}

template <class Exec, class T>
void moe_forward_mask_loop(Exec& exec, const MoeForward<T>& a) {
  const MoeShape& s = a.shape;
  clear(exec, a.y, static_cast<std::size_t>(s.tokens * s.out) * sizeof(T));
  for_each_mask(
      exec, s, a.routes,
      [&](std::int64_t e, const std::int64_t* positions, std::int64_t rows, std::int64_t before) {
        if (rows == 0) return;
        const MoeWeights<T> w = expert_weights(a.experts, s, e);
        const DeviceArray<Exec, T> x(exec, rows * s.width);
        const DeviceArray<Exec, T> own_u(exec, a.u == nullptr ? rows * s.wide() : 0);
        const DeviceArray<Exec, T> h(exec, rows * s.hidden);
        const DeviceArray<Exec, T> outputs(exec, rows * s.out);
        T* const u = a.u == nullptr ? own_u.data() : a.u + before * s.wide();
        run(exec, Dispatch<T>{.shape = {s.tokens, s.k, rows, s.width},
                              .permutation = positions,
                              .x = a.x,
                              .y = x.data()});
        expert_linear(exec, rows, s.width, s.wide(), x.data(), w.w_in, w.b_in, u);
        run(exec, ActivateExperts<T>{.activation = s.activation,
                                     .rows = rows,
                                     .hidden = s.hidden,
                                     .u = u,
                                     .h = h.data()});
        expert_linear(exec, rows, s.hidden, s.out, h.data(), w.w_out, w.b_out, outputs.data());
        run(exec, AddRows<T>{.shape = {s.tokens, s.k, rows, s.out},
                             .positions = positions,
                             .x = outputs.data(),
                             .weights = a.weights,
                             .y = a.y});
      });
}

template <class Exec, class T>
void moe_backward_mask_loop(Exec& exec, const MoeBackward<T>& a) {
  const MoeShape& s = a.shape;
  if (a.gx != nullptr) {
    clear(exec, a.gx, static_cast<std::size_t>(s.tokens * s.width) * sizeof(T));
  }
  const DeviceArray<Exec, std::int64_t> segment(exec, 2);
  for_each_mask(
      exec, s, a.routes,
      [&](std::int64_t e, const std::int64_t* positions, std::int64_t rows, std::int64_t before) {
        const std::int64_t ends[] = {0, rows};
        copy_to_device(exec, segment.data(), ends, sizeof(ends));
        const DeviceArray<Exec, T> gx(exec, a.gx != nullptr ? rows * s.width : 0);
        MoeBackward<T> one = a;
        one.shape.slots = rows;
        one.shape.experts = 1;
        // One by one: of a braced list with designators that is assigned, nvcc 13.0 loses members.
        one.routes = MoeRoutes{};
        one.routes.offsets = segment.data();
        one.routes.permutation = positions;
        one.experts = expert_weights(a.experts, s, e);
        one.u = a.u == nullptr ? nullptr : a.u + before * s.wide();
        one.gw_in = a.gw_in == nullptr ? nullptr : a.gw_in + e * s.wide() * s.width;
        one.gb_in = a.gb_in == nullptr ? nullptr : a.gb_in + e * s.wide();
        one.gw_out = a.gw_out == nullptr ? nullptr : a.gw_out + e * s.out * s.hidden;
        one.gb_out = a.gb_out == nullptr ? nullptr : a.gb_out + e * s.out;
        moe_backward_slots<GroupedProducts>(exec, one, a.gx != nullptr ? gx.data() : nullptr);
        if (a.gx == nullptr || rows == 0) return;
        run(exec, AddRows<T>{.shape = {s.tokens, s.k, rows, s.width},
                             .positions = positions,
                             .x = gx.data(),
                             .y = a.gx});
      });
}

// ---- the rungs

template <class Exec, class T>
void MoeSequences<Exec, T>::forward_mask_loop(Exec& exec, const MoeForward<T>& a) {
  moe_forward_mask_loop(exec, a);
}
template <class Exec, class T>
void MoeSequences<Exec, T>::forward_sorted_loop(Exec& exec, const MoeForward<T>& a) {
  moe_forward_sorted<ProductPerExpert>(exec, a);
}
template <class Exec, class T>
void MoeSequences<Exec, T>::forward_grouped(Exec& exec, const MoeForward<T>& a) {
  moe_forward_sorted<GroupedProducts>(exec, a);
}
template <class Exec, class T>
void MoeSequences<Exec, T>::backward_mask_loop(Exec& exec, const MoeBackward<T>& a) {
  moe_backward_mask_loop(exec, a);
}
template <class Exec, class T>
void MoeSequences<Exec, T>::backward_sorted_loop(Exec& exec, const MoeBackward<T>& a) {
  moe_backward_sorted<ProductPerExpert>(exec, a);
}
template <class Exec, class T>
void MoeSequences<Exec, T>::backward_grouped(Exec& exec, const MoeBackward<T>& a) {
  moe_backward_sorted<GroupedProducts>(exec, a);
}

}  // namespace switchyard::kernels

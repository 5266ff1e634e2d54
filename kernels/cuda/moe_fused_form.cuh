#pragma once

#include <algorithm>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/routing.h"
#include "kernels/common/device_array.h"
#include "kernels/common/moe_steps.h"
#include "kernels/common/slot_moves.h"
#include "kernels/cuda/grouped_weight_grad.cuh"
#include "kernels/cuda/moe_first_product.cuh"
#include "kernels/cuda/moe_fused.cuh"
#include "kernels/cuda/moe_hidden_grad.cuh"
#include "kernels/cuda/moe_slot_sums.cuh"

// How the fused rungs of the token MoE layer work. One file per kind of tile includes this and
// instantiates FusedMoe (moe_fused.cuh) with what it multiplies with: three launches from tokens to
// sums, seven back, one more where the pre-activations were not kept. The host waits for nothing
// between them.
//
// Bits: each output adds its terms in ascending order, an inner product its parts in ascending
// order, a token its experts in the order of the choices. What a token gets, and the gradients of
// tokens and weights, therefore have the same bits whatever else is in the batch.

namespace switchyard::kernels {

namespace fused_moe {
inline namespace SWITCHYARD_EXECUTOR_BUILD {  // what holds an executor is of one build

/// The sizes of one call in 32 bits.
struct Extents {
  int slots, experts, width, hidden, wide, out, assignments;
  Divider k;

  /// Errors: Refusal naming rung and extent where one does not fit.
  Extents(const char* rung, const MoeShape& s)
      : slots(checked_extent(rung, "slots", s.slots)),
        experts(checked_extent(rung, "experts", s.experts)),
        width(checked_extent(rung, "width", s.width)),
        hidden(checked_extent(rung, "hidden", s.hidden)),
        wide(checked_extent(rung, "pre-activations", s.wide())),
        out(checked_extent(rung, "out", s.out)),
        assignments(checked_extent(rung, "assignments", {s.tokens, s.k})),
        k(std::max(checked_extent(rung, "k", s.k), 1)) {}

  GroupedExtents product(const std::int64_t* offsets, int inner, int cols) const {
    return {.offsets = offsets, .rows = slots, .experts = experts, .inner = inner, .cols = cols};
  }
};

/// u and h from x, each if it is not null.
template <class Tile, class T, class Op>
void first_product(KernelExecutor& exec, const char* rung, const Extents& e, const Op& a, T* u,
                   T* h) {
  const MoeShape& s = a.shape;
  const std::int64_t matrices =
      s.experts * s.wide() * (s.width + (a.experts.b_in != nullptr ? 1 : 0));
  const std::int64_t results =
      s.slots * ((u != nullptr ? s.wide() : 0) + (h != nullptr ? s.hidden : 0));
  run_step<kFirstProduct, T>(exec, rung, s.tokens * s.width + matrices + results,
                             s.slots + s.experts + 1, product_flops(s, s.width, s.wide()), [&] {
                               launch_first_product<Tile>(
                                   exec, rung, s.activation,
                                   FirstProduct<T>{e.product(a.routes.offsets, e.width, e.hidden),
                                                   a.x, SlotTokens{a.routes.permutation, e.k},
                                                   a.experts.w_in, a.experts.b_in, u, h});
                             });
}

/// y [S, cols] = x [S, inner] times each expert's matrix.
template <class Products, class T>
void slots_product(KernelExecutor& exec, const MoeShape& s, const MoeRoutes& routes,
                   std::int64_t inner, std::int64_t cols, const T* x, const T* w, bool transpose_w,
                   const T* bias, T* y) {
  Products::grouped(exec, GroupedMatmul<T>{.shape = {s.slots, s.experts, inner, cols},
                                           .offsets = routes.offsets,
                                           .x = x,
                                           .w = w,
                                           .transpose_w = transpose_w,
                                           .bias = bias,
                                           .y = y});
}

// ---- the way back

template <class T, class Products>
class Backward {
 public:
  Backward(KernelExecutor& exec, const MoeBackward<T>& a)
      : exec_(exec), a_(a), e_(kRung, a.shape), tokens_{a.routes.permutation, e_.k} {}

  void run() const {
    const MoeShape& s = a_.shape;
    const bool wants_gu = a_.gx != nullptr || a_.gw_in != nullptr || a_.gb_in != nullptr;
    const int parts = dot_parts<Tile>(s.hidden);
    const Array own_u(exec_, a_.u == nullptr ? s.slots * s.wide() : 0);
    const Array gu(exec_, wants_gu ? s.slots * s.wide() : 0);
    const Array h(exec_, a_.gw_out != nullptr ? s.slots * s.hidden : 0);
    const DeviceArray<KernelExecutor, Sum> dots(exec_,
                                                a_.gweights != nullptr ? s.slots * parts : 0);
    if (wants_gu || a_.gw_out != nullptr || a_.gweights != nullptr) {
      if (a_.u == nullptr) first_product<Tile, T>(exec_, kRung, e_, a_, own_u.data(), nullptr);
      hidden_grad(a_.u == nullptr ? own_u.data() : a_.u, wants_gu ? gu.data() : nullptr,
                  a_.gw_out != nullptr ? h.data() : nullptr,
                  a_.gweights != nullptr ? dots.data() : nullptr, parts);
    }
    if (a_.gweights != nullptr) weights_grad(dots.data(), parts);
    if (a_.gx != nullptr) tokens_grad(gu.data());
    matrices_grad(gu.data(), h.data());
    biases_grad(gu.data());
  }

 private:
  using Sum = ResultOf<T>;
  using Array = DeviceArray<KernelExecutor, T>;
  using Tile = typename Products::template Tile<T>;
  static constexpr const char* kRung = Products::template kBackward<T>;

  void hidden_grad(const T* u, T* gu, T* h, Sum* dots, int parts) const {
    const MoeShape& s = a_.shape;
    const std::int64_t row = s.wide() + 1 + (gu != nullptr ? s.wide() : 0) +
                             (h != nullptr ? s.hidden : 0) + (dots != nullptr ? parts : 0);
    run_step<kHiddenGrad, T>(
        exec_, kRung, s.tokens * s.out + s.experts * s.out * s.hidden + s.slots * row,
        s.slots + s.experts + 1, product_flops(s, s.out, s.hidden), [&] {
          launch_hidden_grad<Tile>(
              exec_, kRung, s.activation,
              HiddenGrad<T>{e_.product(a_.routes.offsets, e_.out, e_.hidden), a_.gy, tokens_,
                            a_.experts.w_out, a_.weights, u, gu, h, dots, parts});
        });
  }
  void weights_grad(const Sum* dots, int parts) const {
    const MoeShape& s = a_.shape;
    const bool biased = a_.experts.b_out != nullptr;
    const std::int64_t assignments = s.tokens * s.k;
    run_step<kWeightGrad, T>(
        exec_, kRung, s.slots * parts + assignments + (biased ? (s.tokens + s.experts) * s.out : 0),
        biased ? 2 * assignments : assignments, 0.0, [&] {
          launch_weights_grad(
              exec_, kRung,
              WeightGrad<T>{a_.routes.indices, a_.routes.inverse, dots, a_.gy, a_.experts.b_out,
                            a_.gweights, e_.assignments, e_.k, parts, e_.out});
        });
  }
  void tokens_grad(const T* gu) const {
    const MoeShape& s = a_.shape;
    const Array gx(exec_, s.slots * s.width);
    slots_product<Products, T>(exec_, s, a_.routes, s.wide(), s.width, gu, a_.experts.w_in, false,
                               nullptr, gx.data());
    sum_slots<T>(exec_, s, a_.routes, s.width, gx.data(), nullptr, a_.gx);
  }
  /// gw [E, inner, cols] of operands of which one has a row per slot, the other one per token.
  template <class X, class Gy>
  void matrix_grad(int inner, int cols, const X& x, const Gy& gy, T* gw) const {
    const MoeShape& s = a_.shape;
    const std::int64_t rows_x = X::kGathered ? s.tokens : s.slots;
    const std::int64_t rows_gy = Gy::kGathered ? s.tokens : s.slots;
    run_step<kMatrixGrad, T>(
        exec_, kRung, rows_x * inner + rows_gy * cols + s.experts * inner * cols,
        s.slots + s.experts + 1, product_flops(s, inner, cols), [&] {
          with_flag(wide_rows(x.data, inner) && wide_rows(gy.data, cols), [&](auto wide) {
            launch_weight_grad<Tile, decltype(wide)::value>(
                exec_, kRung, e_.product(a_.routes.offsets, inner, cols), x, gy, gw);
          });
        });
  }
  void matrices_grad(const T* gu, const T* h) const {
    if (a_.gw_in != nullptr) {
      matrix_grad(e_.wide, e_.width, SlotRows<T>{gu}, TokenRows<T>{a_.x, tokens_}, a_.gw_in);
    }
    if (a_.gw_out != nullptr) {
      matrix_grad(e_.out, e_.hidden, TokenRows<T>{a_.gy, tokens_}, SlotRows<T>{h}, a_.gw_out);
    }
  }
  void biases_grad(const T* gu) const {
    if (a_.gb_in == nullptr && a_.gb_out == nullptr) return;
    const MoeShape& s = a_.shape;
    const std::int64_t in = a_.gb_in != nullptr ? (s.slots + s.experts) * s.wide() : 0;
    const std::int64_t out = a_.gb_out != nullptr ? (s.tokens + s.experts) * s.out + s.slots : 0;
    run_step<kBiasGrads, T>(exec_, kRung, in + out, s.slots + s.experts + 1, 0.0, [&] {
      launch_bias_grads(exec_, kRung, a_.routes.offsets, e_.experts, tokens_,
                        BiasGrad<T>{gu, nullptr, a_.gb_in, e_.wide},
                        BiasGrad<T>{a_.gy, a_.weights, a_.gb_out, e_.out});
    });
  }

  KernelExecutor& exec_;
  const MoeBackward<T>& a_;
  Extents e_;
  SlotTokens tokens_;
};

}  // namespace SWITCHYARD_EXECUTOR_BUILD
}  // namespace fused_moe

// moe_forward_fused
//   1. moe_first_product_tile makes h [S, H] of x [tokens, D], and u [S, H'] if it is kept;
//   2. the grouped product makes the slots' outputs [S, C] of it, bias included;
//   3. combine adds a token's rows, each times its weight, in the order of the choices.
template <class T, class Products>
void FusedMoe<T, Products>::forward(KernelExecutor& exec, const MoeForward<T>& a) {
  using namespace fused_moe;
  using Tile = typename Products::template Tile<T>;
  constexpr const char* kRung = Products::template kForward<T>;
  const MoeShape& s = a.shape;
  const Extents extents(kRung, s);
  const DeviceArray<KernelExecutor, T> h(exec, s.slots * s.hidden);
  const DeviceArray<KernelExecutor, T> outputs(exec, s.slots * s.out);
  first_product<Tile, T>(exec, kRung, extents, a, a.u, h.data());
  slots_product<Products, T>(exec, s, a.routes, s.hidden, s.out, h.data(), a.experts.w_out, true,
                             a.experts.b_out, outputs.data());
  sum_slots<T>(exec, s, a.routes, s.out, outputs.data(), a.weights, a.y);
}

// moe_backward_fused
//   1. moe_first_product_tile makes u again where it was not kept;
//   2. moe_hidden_grad_tile makes gu [S, H'], the weighed h [S, H] and the inner products' parts;
//   3. moe_weight_grad_warp_per_choice adds the parts;
//   4. the grouped product takes gu back to the slots' rows [S, D], combine adds those of a token;
//   5. grouped_weight_grad_tile twice, the rows of x and gy read through the permutation;
//   6. moe_bias_grads_block_per_strip for both biases.
template <class T, class Products>
void FusedMoe<T, Products>::backward(KernelExecutor& exec, const MoeBackward<T>& a) {
  fused_moe::Backward<T, Products>(exec, a).run();
}

}  // namespace switchyard::kernels

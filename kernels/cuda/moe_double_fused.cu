#include <algorithm>

#include "kernels/api/run.h"
#include "kernels/common/device_array.h"
#include "kernels/common/moe_double_steps.h"
#include "kernels/common/slot_moves.h"
#include "kernels/cuda/moe_double_fused.cuh"
#include "kernels/cuda/moe_hidden_grad.cuh"
#include "kernels/cuda/moe_hidden_tangent.cuh"
#include "kernels/cuda/moe_slot_sums.cuh"
#include "kernels/cuda/moe_two_products.cuh"

// The second order of the token MoE layer with each thread's outputs in registers
// (register_tile.cuh): ten launches, one more where the pre-activations were not kept. The host
// waits for nothing between them.
//
// Bits: each output adds its terms in ascending order, of two products with the same sums the first
// one's before the second's, an inner product its parts in ascending order, a token its experts in
// the order of the choices. What a token gets has the same bits whatever else is in the batch.

namespace switchyard::kernels {
namespace {

using fused_moe::product_flops;
using fused_moe::run_step;

/// Results of the step between the products; null: not wanted.
template <class T>
struct HiddenResults {
  T *gu2, *gu, *p, *h, *dots;
};

template <class T>
class DoubleBackward {
 public:
  DoubleBackward(KernelExecutor& exec, const MoeDoubleBackward<T>& a)
      : exec_(exec),
        a_(a),
        v_(a.direction),
        s_(a.shape),
        slots_(extent("slots", s_.slots)),
        experts_(extent("experts", s_.experts)),
        width_(extent("width", s_.width)),
        hidden_(extent("hidden", s_.hidden)),
        wide_(extent("pre-activations", s_.wide())),
        out_(extent("out", s_.out)),
        assignments_(checked_extent(kDoubleFusedRung, "assignments", {s_.tokens, s_.k})),
        tokens_{a.routes.permutation, Divider(std::max(extent("k", s_.k), 1))} {
    // A tile's depth is that of two products, or twice the slots of a stretch.
    extent("twice an extent", 2 * std::max({s_.slots, s_.width, s_.hidden, s_.wide()}));
  }

  void run() const {
    const bool in = a_.gw_in != nullptr || a_.gb_in != nullptr || a_.gx != nullptr;
    const bool gu_in = (a_.gw_in != nullptr && v_.x != nullptr) ||
                       (a_.gx != nullptr && v_.experts.w_in != nullptr);
    const bool out = a_.gw_out != nullptr || a_.ggy != nullptr;
    const bool h_out = a_.ggy != nullptr && v_.experts.w_out != nullptr;
    const int parts = dot_parts<PairTile>(s_.hidden);
    const Array own_u(exec_, a_.u == nullptr ? s_.slots * s_.wide() : 0);
    const Array du(exec_, s_.slots * s_.wide());
    const Array gu2(exec_, in ? s_.slots * s_.wide() : 0);
    const Array gu(exec_, gu_in ? s_.slots * s_.wide() : 0);
    const Array p(exec_, out ? s_.slots * s_.hidden : 0);
    const Array h(exec_, h_out ? s_.slots * s_.hidden : 0);
    const Array dots(exec_, a_.gweights != nullptr ? s_.slots * parts : 0);
    if (a_.u == nullptr) {
      two_products<true, true>(width_, wide_, {a_.x, a_.experts.w_in}, {},
                               {a_.experts.b_in, nullptr}, {}, own_u.data());
    }
    two_products<true, true>(width_, wide_, {v_.x, v_.x == nullptr ? nullptr : a_.experts.w_in},
                             {a_.x, v_.experts.w_in}, {v_.experts.b_in, nullptr}, {}, du.data());
    hidden_tangent(a_.u == nullptr ? own_u.data() : a_.u, du.data(),
                   {.gu2 = in ? gu2.data() : nullptr,
                    .gu = gu_in ? gu.data() : nullptr,
                    .p = out ? p.data() : nullptr,
                    .h = h_out ? h.data() : nullptr,
                    .dots = a_.gweights != nullptr ? dots.data() : nullptr},
                   parts);
    if (a_.gweights != nullptr) weights_grad(dots.data(), parts);
    if (a_.ggy != nullptr) outputs_grad(p.data(), h.data());
    if (a_.gx != nullptr) tokens_grad(gu2.data(), gu.data());
    if (a_.gw_in != nullptr) w_in_grad(gu2.data(), gu.data());
    if (a_.gw_out != nullptr) {
      weight_grad(out_, hidden_, TokenRows<T>{a_.gy, tokens_}, SlotRows<T>{p.data()}, a_.gw_out);
    }
    biases_grad(gu2.data());
  }

 private:
  using Array = DeviceArray<KernelExecutor, T>;
  using Tile = GroupedTile<T>;
  /// Of the steps that hold the sums of two products at once.
  using PairTile = RegisterTile<T, kGroupedTile, kGroupedTile, sizeof(T) == sizeof(float) ? 4 : 8>;
  static_assert(PairTile::kCols == Tile::kCols && PairTile::kRowParts == Tile::kRowParts);

  static int extent(const char* what, std::int64_t size) {
    return checked_extent(kDoubleFusedRung, what, size);
  }
  GroupedExtents product(int inner, int cols) const {
    return {.offsets = a_.routes.offsets,
            .rows = slots_,
            .experts = experts_,
            .inner = inner,
            .cols = cols};
  }
  /// Runs `body` as a step that reads and writes so many numbers, and the slots' places.
  template <const std::string_view& kStep, class Body>
  void step(std::int64_t numbers, double flops, const Body& body) const {
    run_step<kStep, T>(exec_, kDoubleFusedRung, numbers, s_.slots + s_.experts + 1, flops, body);
  }

  /// y [S, cols] = the sum of both products and both biases, rows read through the permutation or
  /// in the order of the slots.
  template <bool kGathered, bool kTransposeW>
  void two_products(int inner, int cols, const RowsByMatrix<T>& one, const RowsByMatrix<T>& other,
                    const SlotBias<T>& bias, const SlotBias<T>& other_bias, T* y) const {
    const int products = (one.w != nullptr ? 1 : 0) + (other.w != nullptr ? 1 : 0);
    const std::int64_t rows = kGathered ? s_.tokens : s_.slots;
    const std::int64_t operands = rows * inner + s_.experts * std::int64_t{inner} * cols;
    step<fused_moe::kTwoProducts>(
        products * operands + s_.slots * cols, products * product_flops(s_, inner, cols), [&] {
          launch_two_products<PairTile, kGathered, kTransposeW>(
              exec_, kDoubleFusedRung,
              TwoProducts<T>{product(inner, cols), tokens_, {one, other}, {bias, other_bias}, y});
        });
  }
  void hidden_tangent(const T* u, const T* du, const HiddenResults<T>& to, int parts) const {
    const int products = v_.experts.w_out != nullptr ? 2 : 1;
    const std::int64_t row =
        s_.wide() * (2 + (to.gu2 != nullptr ? 1 : 0) + (to.gu != nullptr ? 1 : 0)) +
        s_.hidden * ((to.p != nullptr ? 1 : 0) + (to.h != nullptr ? 1 : 0)) + 2 +
        (to.dots != nullptr ? parts : 0);
    step<fused_moe::kHiddenTangent>(
        s_.tokens * s_.out + products * s_.experts * s_.out * s_.hidden + s_.slots * row,
        products * product_flops(s_, s_.out, s_.hidden), [&] {
          launch_hidden_tangent<PairTile>(
              exec_, kDoubleFusedRung, s_.activation,
              HiddenTangent<T>{product(out_, hidden_), a_.gy, tokens_, a_.experts.w_out,
                               v_.experts.w_out, a_.weights, v_.weights, u, du, to.gu2, to.gu, to.p,
                               to.h, to.dots, parts});
        });
  }
  void weights_grad(const T* dots, int parts) const {
    const T* const bias = v_.experts.b_out;
    const std::int64_t of_bias = bias != nullptr ? (s_.tokens + s_.experts) * s_.out : 0;
    step<fused_moe::kWeightGrad>(s_.slots * parts + assignments_ + of_bias, 0.0, [&] {
      launch_weights_grad(exec_, kDoubleFusedRung,
                          WeightGrad<T>{a_.routes.indices, a_.routes.inverse, dots, a_.gy, bias,
                                        a_.gweights, assignments_, tokens_.k, parts, out_});
    });
  }
  void outputs_grad(const T* p, const T* h) const {
    const Array rows(exec_, s_.slots * s_.out);
    two_products<false, true>(
        hidden_, out_, {p, a_.experts.w_out}, {h, v_.experts.w_out}, {v_.experts.b_out, a_.weights},
        {v_.weights == nullptr ? nullptr : a_.experts.b_out, v_.weights}, rows.data());
    sum_slots<T>(exec_, s_, a_.routes, s_.out, rows.data(), nullptr, a_.ggy);
  }
  void tokens_grad(const T* gu2, const T* gu) const {
    const Array rows(exec_, s_.slots * s_.width);
    two_products<false, false>(wide_, width_, {gu2, a_.experts.w_in}, {gu, v_.experts.w_in}, {}, {},
                               rows.data());
    sum_slots<T>(exec_, s_, a_.routes, s_.width, rows.data(), nullptr, a_.gx);
  }
  /// gw [E, inner, cols] of one operand in the order of the slots and one of tokens.
  template <class X, class Gy>
  void weight_grad(int inner, int cols, const X& x, const Gy& gy, T* gw) const {
    const std::int64_t numbers = (X::kGathered ? s_.tokens : s_.slots) * inner +
                                 (Gy::kGathered ? s_.tokens : s_.slots) * cols;
    step<fused_moe::kMatrixGrad>(
        numbers + s_.experts * std::int64_t{inner} * cols, product_flops(s_, inner, cols), [&] {
          with_flag(wide_rows(x.data, inner) && wide_rows(gy.data, cols), [&](auto wide) {
            launch_weight_grad<Tile, decltype(wide)::value>(exec_, kDoubleFusedRung,
                                                            product(inner, cols), x, gy, gw);
          });
        });
  }
  void w_in_grad(const T* gu2, const T* gu) const {
    const TokenRows<T> x{a_.x, tokens_};
    if (v_.x == nullptr) return weight_grad(wide_, width_, SlotRows<T>{gu2}, x, a_.gw_in);
    const std::int64_t operands = s_.slots * s_.wide() + s_.tokens * s_.width;
    step<fused_moe::kMatrixGrad>(
        2 * operands + s_.experts * s_.wide() * s_.width, 2 * product_flops(s_, wide_, width_),
        [&] {
          launch_two_weight_grads<Tile>(
              exec_, kDoubleFusedRung,
              TwoWeightGrads<T>{
                  product(wide_, width_), {{gu2}, {gu}}, {x, {v_.x, tokens_}}, a_.gw_in});
        });
  }
  void biases_grad(const T* gu2) const {
    T* const gb_out = v_.weights == nullptr ? nullptr : a_.gb_out;
    if (a_.gb_out != gb_out) {
      clear(exec_, a_.gb_out, static_cast<std::size_t>(s_.experts * s_.out) * sizeof(T));
    }
    if (a_.gb_in == nullptr && gb_out == nullptr) return;
    const std::int64_t in = a_.gb_in != nullptr ? (s_.slots + s_.experts) * s_.wide() : 0;
    const std::int64_t out = gb_out != nullptr ? (s_.tokens + s_.experts) * s_.out + s_.slots : 0;
    step<fused_moe::kBiasGrads>(in + out, 0.0, [&] {
      launch_bias_grads(exec_, kDoubleFusedRung, a_.routes.offsets, experts_, tokens_,
                        BiasGrad<T>{gu2, nullptr, a_.gb_in, wide_},
                        BiasGrad<T>{a_.gy, v_.weights, gb_out, out_});
    });
  }

  KernelExecutor& exec_;
  const MoeDoubleBackward<T>& a_;
  const MoeDirection<T>& v_;
  const MoeShape& s_;
  int slots_, experts_, width_, hidden_, wide_, out_, assignments_;
  SlotTokens tokens_;
};

}  // namespace

// moe_double_backward_fused
//   1. moe_two_products_tile makes u [S, H'] again where it was not kept, and du of v_x and x, read
//      through the permutation;
//   2. moe_hidden_tangent_tile makes gu2, gu [S, H'], p and the weighed h [S, H], and the parts of
//      the inner products, which moe_weight_grad_warp_per_choice adds;
//   3. moe_two_products_tile takes p and h to the rows of ggy, gu2 and gu to those of gx; combine
//      adds those of a token;
//   4. moe_two_weight_grads_tile for W_in, grouped_weight_grad_tile for W_out;
//   5. moe_bias_grads_block_per_strip for both biases.
template <class T>
void moe_double_backward_fused(KernelExecutor& exec, const MoeDoubleBackward<T>& a) {
  DoubleBackward<T>(exec, a).run();
}

template void moe_double_backward_fused(KernelExecutor&, const MoeDoubleBackward<float>&);
template void moe_double_backward_fused(KernelExecutor&, const MoeDoubleBackward<double>&);

}  // namespace switchyard::kernels

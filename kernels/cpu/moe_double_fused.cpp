#include "kernels/cpu/vector_math.h"  // before what calls the functions

#include "kernels/cpu/moe_double_fused.h"

#include "kernels/common/device_array.h"
#include "kernels/common/expert_tangent.h"
#include "kernels/common/moe_double_steps.h"
#include "kernels/common/slot_moves.h"
#include "kernels/cpu/moe_block.h"
#include "kernels/cpu/moe_gradients.h"

// A task is a block of an expert's slots, as in moe_fused.cpp. Panels of x, v_x and gy are gathered
// once and are the right operand of every product of their tokens; for each stretch of hidden units
//
//   du = W_in v_x + V_in x + v_b_in    g = W_outᵀ gy    dg = V_outᵀ gy
//   u, du, g, dg  →  gu2, gu, p, w · h            where they stand
//   ggy += W_out p + V_out (w h)       gx += W_inᵀ gu2 + V_inᵀ gu
//
// and two products that end in the same sums are added there. The gradients of the matrices are
// sums over slots, of what the blocks leave (moe_gradients.h).

namespace switchyard::kernels {
namespace {

/// What the blocks leave; null: not wanted.
template <class T>
struct Left {
  T* gu2 = nullptr;  ///< [S, H']
  T* gu = nullptr;   ///< [S, H']
  T* p = nullptr;    ///< [S, H] in strips
  T* ggy = nullptr;  ///< [S, C]
  T* gx = nullptr;   ///< [S, D]
};

/// The panels of one stretch of hidden units: u and du [count · kInputs], g and dg [count].
template <class T>
struct Hidden {
  T *u, *du, *g, *dg;
};

/// gu2 in the place of u, gu in that of du, p in that of g and w · h in that of dg; adds
/// <g, dh> + <dg, h> to each slot's `dots`.
template <class Unit, class T>
void activate_tangents(const Unit& unit, std::int64_t count, std::int64_t padded, const T* weights,
                       const T* v_weights, const Hidden<T>& hidden, double* dots) {
  constexpr bool kPairs = Unit::kInputs == 2;
  const std::int64_t second = kPairs ? count * kBlockSlots : 0;
  for (std::int64_t j = 0; j < count; ++j) {
    T* const u = hidden.u + j * kBlockSlots;
    T* const du = hidden.du + j * kBlockSlots;
    T* const u_second = u + second;
    T* const du_second = du + second;
    T* const g = hidden.g + j * kBlockSlots;
    T* const dg = hidden.dg + j * kBlockSlots;
#pragma GCC ivdep  // a step touches its own lane alone
    for (std::int64_t i = 0; i < padded; ++i) {
      const T weight = weights[i];
      const T cotangent = g[i];
      const T along = dg[i];
      const UnitTangent<T> t =
          unit_tangent(unit, v_weights[i] * cotangent + weight * along, weight * cotangent, u[i],
                       kPairs ? u_second[i] : T{0}, du[i], kPairs ? du_second[i] : T{0});
      dots[i] += double{cotangent} * double{t.dh} + double{along} * double{t.h};
      g[i] = weight * t.dh + v_weights[i] * t.h;
      dg[i] = weight * t.h;
      if constexpr (kPairs) {
        u_second[i] = t.gsecond;
        du_second[i] = t.gdsecond;
      }
      u[i] = t.gu;
      du[i] = t.gdu;
    }
  }
}

template <class Unit, class T>
class BlockPass {
 public:
  BlockPass(const Unit& unit, const MoeDoubleBackward<T>& a, const Block& block,
            const Left<T>& left)
      : unit_(unit),
        a_(a),
        s_(a.shape),
        left_(left),
        block_(block),
        of_(s_, a.routes, a.experts, block),
        along_(s_, a.routes, a.direction.experts, block) {}

  void run() {
    gather();
    for (std::int64_t from = 0; from < s_.hidden; from += kStretch) {
      const std::int64_t count = std::min(kStretch, s_.hidden - from);
      fill(from, count);
      activate_tangents(unit_, count, of_.padded(), weights_, v_weights_, hidden_, dots_);
      leave(from, count);
    }
    finish();
  }

 private:
  bool reads_x() const { return a_.u == nullptr || a_.direction.experts.w_in != nullptr; }

  void gather() {
    const std::int64_t stretch = std::min(kStretch, s_.hidden);
    const bool reads_v_x = a_.direction.x != nullptr;
    Panels<T> panels((reads_x() ? s_.width : 0) + (reads_v_x ? s_.width : 0) + s_.out +
                     2 * stretch * (Unit::kInputs + 1) + s_.out + s_.width);
    x_ = panels.operand(reads_x() ? s_.width : 0);
    v_x_ = panels.operand(reads_v_x ? s_.width : 0);
    gy_ = panels.operand(s_.out);
    hidden_ = {panels.sums(stretch * Unit::kInputs), panels.sums(stretch * Unit::kInputs),
               panels.sums(stretch), panels.sums(stretch)};
    ggy_ = panels.sums(s_.out);
    gx_ = panels.sums(s_.width);
    if (reads_x()) of_.gather(a_.x, s_.width, x_);
    if (reads_v_x) of_.gather(a_.direction.x, s_.width, v_x_);
    of_.gather(a_.gy, s_.out, gy_);
    for (std::int64_t i = 0; i < of_.slots(); ++i) {
      weights_[i] = a_.weights[of_.assignment(i)];
      if (a_.direction.weights != nullptr) v_weights_[i] = a_.direction.weights[of_.assignment(i)];
    }
    along_.bias_dots(a_.gy, dots_);
    if (s_.hidden > 0) return;
    std::fill_n(ggy_, s_.out * kBlockSlots, T{0});
    std::fill_n(gx_, s_.width * kBlockSlots, T{0});
  }

  /// u, du, g and dg of hidden units [from, from + count).
  void fill(std::int64_t from, std::int64_t count) {
    for (std::int64_t part = 0; a_.u != nullptr && part < Unit::kInputs; ++part) {
      of_.load(a_.u, s_.wide(), part * s_.hidden + from, count,
               hidden_.u + part * count * kBlockSlots, nullptr);
    }
    if (a_.u == nullptr) of_.template pre_activations<Unit>(x_, from, count, hidden_.u);
    along_.template pre_activations<Unit>(x_, from, count, hidden_.du);
    if (a_.direction.x != nullptr) {
      of_.template add_pre_activations<Unit>(v_x_, from, count, hidden_.du);
    }
    of_.hidden_cotangents(gy_, from, count, hidden_.g);
    along_.hidden_cotangents(gy_, from, count, hidden_.dg);
  }

  void leave(std::int64_t from, std::int64_t count) {
    if (left_.p != nullptr) {
      keep_hidden<T>(s_, of_, block_, a_.routes.offsets[block_.expert], hidden_.g, from, count,
                     left_.p);
    }
    if (left_.ggy != nullptr) {
      of_.outputs(hidden_.g, from, count, ggy_, from > 0);
      along_.outputs(hidden_.dg, from, count, ggy_, true);
    }
    for (std::int64_t part = 0; part < Unit::kInputs; ++part) {
      const T* const gu2 = hidden_.u + part * count * kBlockSlots;
      const T* const gu = hidden_.du + part * count * kBlockSlots;
      const std::int64_t column = part * s_.hidden + from;
      if (left_.gu2 != nullptr) of_.store(gu2, s_.wide(), column, count, left_.gu2);
      if (left_.gu != nullptr) of_.store(gu, s_.wide(), column, count, left_.gu);
      if (left_.gx == nullptr) continue;
      of_.token_cotangents(gu2, part, from, count, gx_, part > 0 || from > 0);
      along_.token_cotangents(gu, part, from, count, gx_, true);
    }
  }

  void finish() {
    if (left_.ggy != nullptr) {
      along_.add_weighed_output_bias(weights_, ggy_);
      of_.add_weighed_output_bias(v_weights_, ggy_);
      of_.store_sums(ggy_, s_.out, left_.ggy);
    }
    if (left_.gx != nullptr) of_.store_sums(gx_, s_.width, left_.gx);
    for (std::int64_t i = 0; a_.gweights != nullptr && i < of_.slots(); ++i) {
      a_.gweights[of_.assignment(i)] = static_cast<T>(dots_[i]);
    }
  }

  const Unit& unit_;
  const MoeDoubleBackward<T>& a_;
  const MoeShape& s_;
  const Left<T>& left_;
  const Block& block_;
  MoeBlock<T> of_, along_;  // products with the matrices, and with the direction's
  T *x_ = nullptr, *v_x_ = nullptr, *gy_ = nullptr, *ggy_ = nullptr, *gx_ = nullptr;
  Hidden<T> hidden_ = {};
  T weights_[kBlockSlots] = {};
  T v_weights_[kBlockSlots] = {};
  double dots_[kBlockSlots] = {};
};

/// What the pass over blocks reads and writes.
template <class T>
Work blocks_work(const MoeDoubleBackward<T>& a, const Left<T>& left) {
  const MoeShape& s = a.shape;
  MoeDoubleBackward<T> pass = a;  // without the gradients of the matrices, which come later
  pass.gw_in = pass.gb_in = pass.gw_out = pass.gb_out = nullptr;
  pass.shape.experts = busy_experts(s.experts, a.routes.offsets);
  pass.ggy = pass.gx = nullptr;
  const std::int64_t numbers =
      s.slots * ((left.gu2 != nullptr ? s.wide() : 0) + (left.gu != nullptr ? s.wide() : 0) +
                 (left.p != nullptr ? s.hidden : 0) + (left.ggy != nullptr ? s.out : 0) +
                 (left.gx != nullptr ? s.width : 0));
  const double bytes = pass.work().bytes + bytes_of<T>(numbers);
  pass.ggy = a.ggy;
  pass.gx = a.gx;
  return {.bytes = bytes, .flops = pass.flops()};
}

}  // namespace

template <class T>
void moe_double_backward_fused(Cpu& cpu, const MoeDoubleBackward<T>& a) {
  const MoeShape& s = a.shape;
  const bool in = a.gw_in != nullptr || a.gb_in != nullptr;
  const bool two = a.gw_in != nullptr && a.direction.x != nullptr;
  const DeviceArray<Cpu, T> gu2(cpu, in ? s.slots * s.wide() : 0);
  const DeviceArray<Cpu, T> gu(cpu, two ? s.slots * s.wide() : 0);
  const DeviceArray<Cpu, T> p(cpu, a.gw_out != nullptr ? hidden_strip_elements<T>(s) : 0);
  Left<T> left = {.gu2 = in ? gu2.data() : nullptr,
                  .gu = two ? gu.data() : nullptr,
                  .p = a.gw_out != nullptr ? p.data() : nullptr};
  if (a.gweights != nullptr && s.slots < s.tokens * s.k) {
    std::fill_n(a.gweights, s.tokens * s.k, T{0});
  }
  {
    const DeviceArray<Cpu, T> ggy(cpu, a.ggy != nullptr ? s.slots * s.out : 0);
    const DeviceArray<Cpu, T> gx(cpu, a.gx != nullptr ? s.slots * s.width : 0);
    if (a.ggy != nullptr) left.ggy = ggy.data();
    if (a.gx != nullptr) left.gx = gx.data();
    fused_moe::run_step<fused_moe::kDoubleBackwardBlocks>(
        cpu, kDoubleFusedName, blocks_work(a, left), [&] {
          with_activation(s.activation, [&]<class Unit>(const Unit& unit) {
            for_each_task(blocks_of(s.experts, a.routes.offsets), [&](const Block& block) {
              BlockPass<Unit, T>(unit, a, block, left).run();
            });
          });
        });
    if (a.ggy != nullptr) sum_slots<T>(cpu, s, a.routes, s.out, ggy.data(), nullptr, a.ggy);
    if (a.gx != nullptr) sum_slots<T>(cpu, s, a.routes, s.width, gx.data(), nullptr, a.gx);
  }
  run_matrix_gradients(cpu, kDoubleFusedName,
                       MatrixSums<T>{.shape = s,
                                     .routes = a.routes,
                                     .in = {{left.gu2, a.x}, {left.gu, a.direction.x}},
                                     .h = left.p,
                                     .gy = a.gy,
                                     .bias_weights = a.direction.weights,
                                     .gw_in = a.gw_in,
                                     .gb_in = a.gb_in,
                                     .gw_out = a.gw_out,
                                     .gb_out = a.gb_out});
}

template void moe_double_backward_fused(Cpu&, const MoeDoubleBackward<float>&);
template void moe_double_backward_fused(Cpu&, const MoeDoubleBackward<double>&);

}  // namespace switchyard::kernels

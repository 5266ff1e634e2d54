#include "kernels/cpu/vector_math.h"  // before what calls the functions

#include "kernels/cpu/moe_fused.h"

#include "kernels/api/shape.h"
#include "kernels/common/device_array.h"
#include "kernels/common/expert_activation.h"
#include "kernels/common/moe_steps.h"
#include "kernels/common/slot_moves.h"
#include "kernels/cpu/moe_block.h"
#include "kernels/cpu/moe_gradients.h"

// A task is a block of an expert's slots. Its tokens' rows are read through the permutation into a
// panel (panel.h), a lane for each slot, and stay in the cache through both products:
//
//   forward:   x → u = W_in x + b_in → h = activation(u) → y = W_out h + b_out
//   backward:  gy → g = W_outᵀ gy → gu = w · g · activation'(u) → gx = W_inᵀ gu
//
// The hidden units go by in stretches, so that neither u nor h ever is as large as a matrix. A
// matrix of an expert is the left operand, read once per block as it lies; nothing is transposed
// but the panels' edges. The gradients of the matrices are sums over slots: tasks of their own
// (moe_gradients.h).
//
// Every sum of a slot runs in the same order whatever else is in its block, so a token's bits do
// not depend on its batch or on the number of threads.

namespace switchyard::kernels {
namespace {

/// h in the place of u.
template <class Unit, class Sum>
void activate(const Unit& unit, std::int64_t count, std::int64_t padded, Sum* u) {
  const Sum* const second = Unit::kInputs == 2 ? u + count * kBlockSlots : u;
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t i = j * kBlockSlots; i < j * kBlockSlots + padded; ++i) {
      u[i] = unit.unit(u[i], second[i]);
    }
  }
}

template <class Unit, class T>
void forward_block(const Unit& unit, const MoeForward<T>& a, const Block& block,
                   SumOf<T>* outputs) {
  const MoeShape& s = a.shape;
  const MoeBlock<T> of(s, a.routes, a.experts, block);
  const std::int64_t stretch = std::min(kStretch, s.hidden);
  Panels<T> panels(s.width + stretch * (Unit::kInputs + 1) + s.out);
  auto* const x = panels.operand(s.width);
  auto* const u = panels.sums(stretch * Unit::kInputs);
  auto* const pairs = panels.operand(stretch);
  auto* const y = panels.sums(s.out);
  of.gather(a.x, s.width, x);
  if (s.hidden == 0) std::fill_n(y, s.out * kBlockSlots, SumOf<T>{0});
  for (std::int64_t from = 0; from < s.hidden; from += stretch) {
    const std::int64_t count = std::min(stretch, s.hidden - from);
    of.template pre_activations<Unit>(x, from, count, u);
    for (std::int64_t part = 0; a.u != nullptr && part < Unit::kInputs; ++part) {
      const auto* const kept =
          as_operand<T>(u + part * count * kBlockSlots, count, of.padded(), pairs);
      of.store(kept, s.wide(), part * s.hidden + from, count, a.u);
    }
    activate(unit, count, of.padded(), u);
    of.outputs(as_operand<T>(u, count, of.padded(), pairs), from, count, y, from > 0);
  }
  of.add_output_bias(y);
  of.store_sums(y, s.out, outputs);
}

/// gu in the place of u and weight · h in the place of g, and adds <g, h> to each slot's `dots`.
template <class Unit, class Sum>
void activate_grad(const Unit& unit, std::int64_t count, std::int64_t padded, const Sum* weights,
                   Sum* u, Sum* g, double* dots) {
  Sum* const second = u + (Unit::kInputs - 1) * count * kBlockSlots;
  for (std::int64_t j = 0; j < count; ++j) {
    Sum* const first_row = u + j * kBlockSlots;
    Sum* const second_row = second + j * kBlockSlots;
    Sum* const g_row = g + j * kBlockSlots;
    for (std::int64_t i = 0; i < padded; ++i) {
      const Sum h = unit.unit(first_row[i], second_row[i]);
      const Sum cotangent = g_row[i];
      Sum gu{0};
      Sum gsecond{0};
      unit.grad(weights[i] * cotangent, first_row[i], second_row[i], gu, gsecond);
      dots[i] += double{cotangent} * double{h};
      g_row[i] = weights[i] * h;
      if (Unit::kInputs == 2) second_row[i] = gsecond;
      first_row[i] = gu;
    }
  }
}

/// What the pass over blocks of the way back leaves for what comes after it; null: not wanted.
template <class T>
struct MoeLeft {
  T* gu = nullptr;            ///< [S, H'] times the weight
  ElementOf<T>* h = nullptr;  ///< [S, H] times the weight, in strips (moe_gradients.h)
  SumOf<T>* gx = nullptr;     ///< [S, D]
};

template <class Unit, class T>
void backward_block(const Unit& unit, const MoeBackward<T>& a, const Block& block,
                    const MoeLeft<T>& left) {
  const MoeShape& s = a.shape;
  const MoeBlock<T> of(s, a.routes, a.experts, block);
  const std::int64_t stretch = std::min(kStretch, s.hidden);
  const bool again = a.u == nullptr;
  Panels<T> panels((again ? s.width : 0) + s.out + stretch * (Unit::kInputs + 2) + s.width);
  auto* const x = panels.operand(again ? s.width : 0);
  auto* const gy = panels.operand(s.out);
  auto* const u = panels.sums(stretch * Unit::kInputs);
  auto* const g = panels.sums(stretch);
  auto* const pairs = panels.operand(stretch);
  auto* const gx = panels.sums(s.width);
  SumOf<T> weights[kBlockSlots] = {};
  double dots[kBlockSlots];
  for (std::int64_t i = 0; i < of.slots(); ++i) weights[i] = a.weights[of.assignment(i)];
  if (again) of.gather(a.x, s.width, x);
  of.gather(a.gy, s.out, gy);
  of.bias_dots(a.gy, dots);
  if (s.hidden == 0) std::fill_n(gx, s.width * kBlockSlots, SumOf<T>{0});
  for (std::int64_t from = 0; from < s.hidden; from += stretch) {
    const std::int64_t count = std::min(stretch, s.hidden - from);
    of.hidden_cotangents(gy, from, count, g);
    if (again) of.template pre_activations<Unit>(x, from, count, u);
    for (std::int64_t part = 0; !again && part < Unit::kInputs; ++part) {
      of.load(a.u, s.wide(), part * s.hidden + from, count, u + part * count * kBlockSlots, pairs);
    }
    activate_grad(unit, count, of.padded(), weights, u, g, dots);
    if (left.h != nullptr) {
      keep_hidden<T>(s, of, block, a.routes.offsets[block.expert], g, from, count, left.h);
    }
    for (std::int64_t part = 0; part < Unit::kInputs; ++part) {
      const auto* const gu =
          as_operand<T>(u + part * count * kBlockSlots, count, of.padded(), pairs);
      if (left.gu != nullptr) of.store(gu, s.wide(), part * s.hidden + from, count, left.gu);
      if (left.gx != nullptr) of.token_cotangents(gu, part, from, count, gx, part > 0 || from > 0);
    }
  }
  if (left.gx != nullptr) of.store_sums(gx, s.width, left.gx);
  if (a.gweights == nullptr) return;
  for (std::int64_t i = 0; i < of.slots(); ++i) {
    a.gweights[of.assignment(i)] = static_cast<SumOf<T>>(dots[i]);
  }
}

/// Each token's slots added up (sum_slots) and rounded once.
template <class T>
void sum_choices(Cpu& cpu, const MoeShape& s, const MoeRoutes& routes, std::int64_t width,
                 const SumOf<T>* slots, const SumOf<T>* weights, T* tokens) {
  if constexpr (kTermsOf<T> == 1) {
    sum_slots(cpu, s, routes, width, slots, weights, tokens);
  } else {
    const std::int64_t count = s.tokens * width;
    const DeviceArray<Cpu, float> sums(cpu, count);
    sum_slots(cpu, s, routes, width, slots, weights, sums.data());
    run(cpu, Convert<float, BFloat16>{.x = sums.data(), .y = tokens, .count = count});
  }
}

/// Numbers in the matrices and biases that are read.
template <class Op>
std::int64_t parameters_read(const Op& a) {
  MoeShape busy = a.shape;
  busy.experts = busy_experts(a.shape.experts, a.routes.offsets);
  return busy.parameters(a.experts.b_in != nullptr, a.experts.b_out != nullptr);
}

/// What the pass over blocks reads and writes: everything but y, and the slots' outputs.
template <class T>
Work blocks_work(const MoeForward<T>& a) {
  const MoeShape& s = a.shape;
  const std::int64_t numbers =
      s.tokens * s.width + parameters_read(a) + (a.u != nullptr ? s.slots * s.wide() : 0);
  return {.bytes = bytes_of<T>(numbers) + bytes_of<SumOf<T>>(s.slots * s.out) +
                   bytes_of<std::int64_t>(s.slots + s.experts + 1),
          .flops = s.flops()};
}

/// The same on the way back, where the pass leaves what `left` names.
template <class T>
Work blocks_work(const MoeBackward<T>& a, const MoeLeft<T>& left) {
  const MoeShape& s = a.shape;
  const bool again = a.u == nullptr;
  const std::int64_t numbers =
      s.tokens * ((again ? s.width : 0) + s.out) + parameters_read(a) +
      s.slots * ((again ? 0 : s.wide()) + (left.gu != nullptr ? s.wide() : 0) +
                 (left.h != nullptr ? s.hidden : 0));
  const std::int64_t sums =
      s.slots * (1 + (a.gweights != nullptr ? 1 : 0) + (left.gx != nullptr ? s.width : 0));
  return {.bytes = bytes_of<T>(numbers) + bytes_of<SumOf<T>>(sums) +
                   bytes_of<std::int64_t>(s.slots + s.experts + 1),
          .flops = fused_moe::product_flops(s, s.out, s.hidden) +
                   (again ? fused_moe::product_flops(s, s.width, s.wide()) : 0.0) +
                   (left.gx != nullptr ? fused_moe::product_flops(s, s.wide(), s.width) : 0.0)};
}

}  // namespace

template <class T>
void moe_forward_fused(Cpu& cpu, const MoeForward<T>& a) {
  const MoeShape& s = a.shape;
  const DeviceArray<Cpu, SumOf<T>> outputs(cpu, s.slots * s.out);
  fused_moe::run_step<fused_moe::kForwardBlocks>(cpu, kForwardFusedName, blocks_work(a), [&] {
    with_activation(s.activation, [&](auto unit) {
      for_each_task(blocks_of(s.experts, a.routes.offsets),
                    [&](const Block& block) { forward_block(unit, a, block, outputs.data()); });
    });
  });
  sum_choices<T>(cpu, s, a.routes, s.out, outputs.data(), a.weights, a.y);
}

template <class T>
void moe_backward_fused(Cpu& cpu, const MoeBackward<T>& a) {
  const MoeShape& s = a.shape;
  const bool in = a.gw_in != nullptr || a.gb_in != nullptr;
  const DeviceArray<Cpu, T> gu(cpu, in ? s.slots * s.wide() : 0);
  const DeviceArray<Cpu, ElementOf<T>> h(cpu,
                                         a.gw_out != nullptr ? hidden_strip_elements<T>(s) : 0);
  MoeLeft<T> left = {.gu = in ? gu.data() : nullptr, .h = a.gw_out != nullptr ? h.data() : nullptr};
  {
    const DeviceArray<Cpu, SumOf<T>> gx(cpu, a.gx != nullptr ? s.slots * s.width : 0);
    if (a.gx != nullptr) left.gx = gx.data();
    if (a.gweights != nullptr && s.slots < s.tokens * s.k) {
      std::fill_n(a.gweights, s.tokens * s.k, SumOf<T>{0});
    }
    const Work work = blocks_work(a, left);
    fused_moe::run_step<fused_moe::kBackwardBlocks>(cpu, kBackwardFusedName, work, [&] {
      with_activation(s.activation, [&](auto unit) {
        for_each_task(blocks_of(s.experts, a.routes.offsets),
                      [&](const Block& block) { backward_block(unit, a, block, left); });
      });
    });
    if (a.gx != nullptr) {
      sum_choices<T>(cpu, s, a.routes, s.width, gx.data(), nullptr, a.gx);
    }
  }
  run_matrix_gradients(cpu, kBackwardFusedName,
                       MatrixSums<T>{.shape = s,
                                     .routes = a.routes,
                                     .in = {{left.gu, a.x}},
                                     .h = left.h,
                                     .gy = a.gy,
                                     .bias_weights = a.weights,
                                     .gw_in = a.gw_in,
                                     .gb_in = a.gb_in,
                                     .gw_out = a.gw_out,
                                     .gb_out = a.gb_out});
}

template void moe_forward_fused(Cpu&, const MoeForward<float>&);
template void moe_forward_fused(Cpu&, const MoeForward<double>&);
template void moe_forward_fused(Cpu&, const MoeForward<BFloat16>&);
template void moe_backward_fused(Cpu&, const MoeBackward<float>&);
template void moe_backward_fused(Cpu&, const MoeBackward<double>&);
template void moe_backward_fused(Cpu&, const MoeBackward<BFloat16>&);

}  // namespace switchyard::kernels

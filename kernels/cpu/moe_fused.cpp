#include "kernels/cpu/vector_math.h"  // before what calls the functions

#include "kernels/cpu/moe_fused.h"

#include <algorithm>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/common/device_array.h"
#include "kernels/common/expert_activation.h"
#include "kernels/cpu/expert_blocks.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_product.h"

// A task is a block of an expert's slots. Its tokens' rows are read through the permutation into a
// panel (panel.h), a lane for each slot, and stay in the cache through both products:
//
//   forward:   x → u = W_in x + b_in → h = activation(u) → y = W_out h + b_out
//   backward:  gy → g = W_outᵀ gy → gu = w · g · activation'(u) → gx = W_inᵀ gu
//
// The hidden units go by in stretches, so that neither u nor h ever is as large as a matrix. A
// matrix of an expert is the left operand, read once per block as it lies; nothing is transposed
// but the panels' edges. The gradients of the matrices are sums over slots: tasks of their own, by
// rows of the result, over all slots of the expert in order.
//
// Every sum of a slot runs in the same order whatever else is in its block, so a token's bits do
// not depend on its batch or on the number of threads.

namespace switchyard::kernels {
namespace {

/// Hidden units that are between the two products at a time.
constexpr std::int64_t kStretch = 256;
/// Rows of a matrix's gradient in one task, and slots that are added to it at a time.
constexpr std::int64_t kGradRows = 512;
constexpr std::int64_t kGradSlots = 256;

/// The calling thread's panels of one block, each with a row of kBlockSlots for each column.
template <class T>
class Panels {
 public:
  explicit Panels(std::int64_t columns)
      : next_(scratch<T>(Scratch::kMoePanels, static_cast<std::size_t>(columns * kBlockSlots))) {}
  T* take(std::int64_t columns) {
    T* const panel = next_;
    next_ += columns * kBlockSlots;
    return panel;
  }

 private:
  T* next_;
};

/// What the tasks of both directions do with one block.
template <class T>
class BlockOf {
 public:
  BlockOf(const MoeShape& shape, const MoeRoutes& routes, const MoeWeights<T>& experts,
          const Block& block)
      : shape_(shape),
        routes_(routes),
        block_(block),
        padded_(round_up_to_lanes<T>(block.slots)),
        w_in_(experts.w_in + block.expert * shape.wide() * shape.width),
        b_in_(experts.b_in == nullptr ? nullptr : experts.b_in + block.expert * shape.wide()),
        w_out_(experts.w_out + block.expert * shape.out * shape.hidden),
        b_out_(experts.b_out == nullptr ? nullptr : experts.b_out + block.expert * shape.out) {}

  std::int64_t assignment(std::int64_t slot) const {
    return routes_.permutation[block_.first + slot];
  }
  std::int64_t slots() const { return block_.slots; }
  std::int64_t padded() const { return padded_; }

  /// Rows of the block's tokens out of x [T, columns].
  void gather(const T* x, std::int64_t columns, T* panel) const {
    fill_panel<T>(
        block_.slots, padded_, columns,
        [&](std::int64_t slot) { return x + assignment(slot) / shape_.k * columns; }, panel,
        kBlockSlots);
  }
  /// Columns [from, from + count) of the block's rows of m [S, columns].
  void load(const T* m, std::int64_t columns, std::int64_t from, std::int64_t count,
            T* panel) const {
    fill_panel<T>(
        block_.slots, padded_, count,
        [&](std::int64_t slot) { return m + (block_.first + slot) * columns + from; }, panel,
        kBlockSlots);
  }
  void store(const T* panel, std::int64_t columns, std::int64_t from, std::int64_t count,
             T* m) const {
    empty_panel<T>(block_.slots, count, panel, kBlockSlots,
                   [&](std::int64_t slot, std::int64_t column) {
                     return m + (block_.first + slot) * columns + from + column;
                   });
  }
  /// Columns [from, from + count) of the block's rows of m [S, columns], which lies in strips
  /// (tile_product.h).
  void store_in_strips(const T* panel, std::int64_t from, std::int64_t count, T* m) const {
    const std::int64_t width = strip_columns<T>();
    empty_panel<T>(
        block_.slots, count, panel, kBlockSlots, [&](std::int64_t slot, std::int64_t column) {
          const std::int64_t strip = (from + column) / width;
          return m + (strip * shape_.slots + block_.first + slot) * width + (from + column) % width;
        });
  }

  /// u [count] of hidden units [from, from + count), and of their second inputs behind them.
  template <class Unit>
  void pre_activations(const T* x, std::int64_t from, std::int64_t count, T* u) const {
    for (std::int64_t part = 0; part < Unit::kInputs; ++part) {
      const std::int64_t row = part * shape_.hidden + from;
      T* const to = u + part * count * kBlockSlots;
      tile_product(count, padded_, shape_.width, {w_in_ + row * shape_.width, shape_.width, false},
                   x, kBlockSlots, to, kBlockSlots, false);
      if (b_in_ != nullptr) add_bias(b_in_ + row, count, to);
    }
  }
  /// y [C] += W_out h for hidden units [from, from + count).
  void add_outputs(const T* h, std::int64_t from, std::int64_t count, T* y) const {
    tile_product(shape_.out, padded_, count, {w_out_ + from, shape_.hidden, false}, h, kBlockSlots,
                 y, kBlockSlots, from > 0);
  }
  void add_output_bias(T* y) const {
    if (b_out_ != nullptr) add_bias(b_out_, shape_.out, y);
  }
  /// g [count] = W_outᵀ gy for hidden units [from, from + count).
  void hidden_cotangents(const T* gy, std::int64_t from, std::int64_t count, T* g) const {
    tile_product(count, padded_, shape_.out, {w_out_ + from, shape_.hidden, true}, gy, kBlockSlots,
                 g, kBlockSlots, false);
  }
  /// gx [D] += W_inᵀ gu for hidden units [from, from + count), whose second inputs lie behind.
  template <class Unit>
  void add_token_cotangents(const T* gu, std::int64_t from, std::int64_t count, T* gx) const {
    for (std::int64_t part = 0; part < Unit::kInputs; ++part) {
      const std::int64_t row = part * shape_.hidden + from;
      tile_product(shape_.width, padded_, count, {w_in_ + row * shape_.width, shape_.width, true},
                   gu + part * count * kBlockSlots, kBlockSlots, gx, kBlockSlots,
                   part > 0 || from > 0);
    }
  }
  /// <gy, b_out> of each slot.
  void bias_dots(const T* gy, double* dots) const {
    std::fill_n(dots, padded_, 0.0);
    if (b_out_ == nullptr) return;
    for (std::int64_t c = 0; c < shape_.out; ++c) {
      for (std::int64_t i = 0; i < padded_; ++i) {
        dots[i] += double{b_out_[c]} * double{gy[c * kBlockSlots + i]};
      }
    }
  }

 private:
  void add_bias(const T* bias, std::int64_t columns, T* panel) const {
    for (std::int64_t j = 0; j < columns; ++j) {
      for (std::int64_t i = 0; i < padded_; ++i) panel[j * kBlockSlots + i] += bias[j];
    }
  }

  const MoeShape& shape_;
  const MoeRoutes& routes_;
  Block block_;
  std::int64_t padded_;
  const T *w_in_, *b_in_, *w_out_, *b_out_;
};

/// h in the place of u.
template <class Unit, class T>
void activate(const Unit& unit, std::int64_t count, std::int64_t padded, T* u) {
  const T* const second = Unit::kInputs == 2 ? u + count * kBlockSlots : u;
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t i = j * kBlockSlots; i < j * kBlockSlots + padded; ++i) {
      u[i] = unit.unit(u[i], second[i]);
    }
  }
}

template <class Unit, class T>
void forward_block(const Unit& unit, const MoeForward<T>& a, const Block& block, T* outputs) {
  const MoeShape& s = a.shape;
  const BlockOf<T> of(s, a.routes, a.experts, block);
  const std::int64_t stretch = std::min(kStretch, s.hidden);
  Panels<T> panels(s.width + stretch * Unit::kInputs + s.out);
  T* const x = panels.take(s.width);
  T* const u = panels.take(stretch * Unit::kInputs);
  T* const y = panels.take(s.out);
  of.gather(a.x, s.width, x);
  if (s.hidden == 0) std::fill_n(y, s.out * kBlockSlots, T{0});
  for (std::int64_t from = 0; from < s.hidden; from += stretch) {
    const std::int64_t count = std::min(stretch, s.hidden - from);
    of.template pre_activations<Unit>(x, from, count, u);
    for (std::int64_t part = 0; a.u != nullptr && part < Unit::kInputs; ++part) {
      of.store(u + part * count * kBlockSlots, s.wide(), part * s.hidden + from, count, a.u);
    }
    activate(unit, count, of.padded(), u);
    of.add_outputs(u, from, count, y);
  }
  of.add_output_bias(y);
  of.store(y, s.out, 0, s.out, outputs);
}

/// What the first pass of the way back leaves for the gradients of the matrices; null: not wanted.
template <class T>
struct Left {
  T* gu = nullptr;  // [S, H'] times the weight
  T* h = nullptr;   // [S, H] times the weight, in strips
  T* gx = nullptr;  // [S, D]
};

/// gu in the place of u and weight · h in the place of g, and adds <g, h> to each slot's `dots`.
template <class Unit, class T>
void activate_grad(const Unit& unit, std::int64_t count, std::int64_t padded, const T* weights,
                   T* u, T* g, double* dots) {
  T* const second = u + (Unit::kInputs - 1) * count * kBlockSlots;
  for (std::int64_t j = 0; j < count; ++j) {
    T* const first_row = u + j * kBlockSlots;
    T* const second_row = second + j * kBlockSlots;
    T* const g_row = g + j * kBlockSlots;
    for (std::int64_t i = 0; i < padded; ++i) {
      const T h = unit.unit(first_row[i], second_row[i]);
      const T cotangent = g_row[i];
      T gu{0};
      T gsecond{0};
      unit.grad(weights[i] * cotangent, first_row[i], second_row[i], gu, gsecond);
      dots[i] += double{cotangent} * double{h};
      g_row[i] = weights[i] * h;
      if (Unit::kInputs == 2) second_row[i] = gsecond;
      first_row[i] = gu;
    }
  }
}

template <class Unit, class T>
void backward_block(const Unit& unit, const MoeBackward<T>& a, const Block& block,
                    const Left<T>& left) {
  const MoeShape& s = a.shape;
  const BlockOf<T> of(s, a.routes, a.experts, block);
  const std::int64_t stretch = std::min(kStretch, s.hidden);
  const bool again = a.u == nullptr;
  Panels<T> panels((again ? s.width : 0) + s.out + stretch * (Unit::kInputs + 1) + s.width);
  T* const x = panels.take(again ? s.width : 0);
  T* const gy = panels.take(s.out);
  T* const u = panels.take(stretch * Unit::kInputs);
  T* const g = panels.take(stretch);
  T* const gx = panels.take(s.width);
  T weights[kBlockSlots] = {};
  double dots[kBlockSlots];
  for (std::int64_t i = 0; i < of.slots(); ++i) weights[i] = a.weights[of.assignment(i)];
  if (again) of.gather(a.x, s.width, x);
  of.gather(a.gy, s.out, gy);
  of.bias_dots(gy, dots);
  if (s.hidden == 0) std::fill_n(gx, s.width * kBlockSlots, T{0});
  for (std::int64_t from = 0; from < s.hidden; from += stretch) {
    const std::int64_t count = std::min(stretch, s.hidden - from);
    of.hidden_cotangents(gy, from, count, g);
    if (again) of.template pre_activations<Unit>(x, from, count, u);
    for (std::int64_t part = 0; !again && part < Unit::kInputs; ++part) {
      of.load(a.u, s.wide(), part * s.hidden + from, count, u + part * count * kBlockSlots);
    }
    activate_grad(unit, count, of.padded(), weights, u, g, dots);
    if (left.h != nullptr) of.store_in_strips(g, from, count, left.h);
    for (std::int64_t part = 0; left.gu != nullptr && part < Unit::kInputs; ++part) {
      of.store(u + part * count * kBlockSlots, s.wide(), part * s.hidden + from, count, left.gu);
    }
    if (left.gx != nullptr) of.template add_token_cotangents<Unit>(u, from, count, gx);
  }
  if (left.gx != nullptr) of.store(gx, s.width, 0, s.width, left.gx);
  if (a.gweights == nullptr) return;
  for (std::int64_t i = 0; i < of.slots(); ++i) {
    a.gweights[of.assignment(i)] = static_cast<T>(dots[i]);
  }
}

/// Rows [row, row + rows) of one expert's gradient of a matrix.
struct GradTask {
  std::int64_t expert, row, rows;
};

std::vector<GradTask> grad_tasks(std::int64_t experts, std::int64_t rows) {
  std::vector<GradTask> tasks;
  for (std::int64_t e = 0; e < experts; ++e) {
    for (std::int64_t row = 0; row < rows; row += kGradRows) {
      tasks.push_back({e, row, std::min(kGradRows, rows - row)});
    }
  }
  return tasks;
}

/// Adds the columns of `rows` [count, stride] in double.
template <class T>
void add_columns(const T* rows, std::int64_t count, std::int64_t stride, std::int64_t columns,
                 double* sums) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) sums[j] += double{rows[i * stride + j]};
  }
}

/// gw_in [H', D] = Σ_s gu[s]ᵀ x[token(s)], and gb_in = Σ_s gu[s], rows of one task.
template <class T>
void grad_in(const MoeBackward<T>& a, const T* gu, const GradTask& task) {
  const MoeShape& s = a.shape;
  const std::int64_t width = strip_columns<T>();
  const std::int64_t strips = (s.width + width - 1) / width;
  T* const x =
      scratch<T>(Scratch::kMoePanels, static_cast<std::size_t>(strips * kGradSlots * width));
  T* const gw =
      a.gw_in == nullptr ? nullptr : a.gw_in + (task.expert * s.wide() + task.row) * s.width;
  double sums[kGradRows] = {};
  const std::int64_t begin = a.routes.offsets[task.expert];
  const std::int64_t end = a.routes.offsets[task.expert + 1];
  if (gw != nullptr && begin == end) std::fill_n(gw, task.rows * s.width, T{0});
  for (std::int64_t first = begin; first < end; first += kGradSlots) {
    const std::int64_t slots = std::min(kGradSlots, end - first);
    const T* const left = gu + first * s.wide() + task.row;
    if (a.gb_in != nullptr) add_columns(left, slots, s.wide(), task.rows, sums);
    if (gw == nullptr) continue;
    copy_to_strips<T>(
        slots, s.width,
        [&](std::int64_t slot) { return a.x + a.routes.permutation[first + slot] / s.k * s.width; },
        x, kGradSlots);
    tile_product_strips(task.rows, s.width, slots, {left, s.wide(), true}, x, kGradSlots * width,
                        gw, s.width, first > begin);
  }
  if (a.gb_in == nullptr) return;
  for (std::int64_t j = 0; j < task.rows; ++j) {
    a.gb_in[task.expert * s.wide() + task.row + j] = static_cast<T>(sums[j]);
  }
}

/// gw_out [C, H] = Σ_s gy[token(s)]ᵀ (w h)[s], and gb_out = Σ_s w gy[token(s)], rows of one task.
template <class T>
void grad_out(const MoeBackward<T>& a, const T* h, const GradTask& task) {
  const MoeShape& s = a.shape;
  const std::int64_t width = strip_columns<T>();
  T* const gy = scratch<T>(Scratch::kMoePanels, static_cast<std::size_t>(kGradSlots * task.rows));
  T* const gw =
      a.gw_out == nullptr ? nullptr : a.gw_out + (task.expert * s.out + task.row) * s.hidden;
  double sums[kGradRows] = {};
  const std::int64_t begin = a.routes.offsets[task.expert];
  const std::int64_t end = a.routes.offsets[task.expert + 1];
  if (gw != nullptr && begin == end) std::fill_n(gw, task.rows * s.hidden, T{0});
  for (std::int64_t first = begin; first < end; first += kGradSlots) {
    const std::int64_t slots = std::min(kGradSlots, end - first);
    for (std::int64_t i = 0; i < slots; ++i) {
      const std::int64_t assignment = a.routes.permutation[first + i];
      const T* const row = a.gy + assignment / s.k * s.out + task.row;
      std::copy_n(row, task.rows, gy + i * task.rows);
      if (a.gb_out == nullptr) continue;
      const auto weight = double{a.weights[assignment]};
      for (std::int64_t j = 0; j < task.rows; ++j) sums[j] += weight * double{row[j]};
    }
    if (gw == nullptr) continue;
    tile_product_strips(task.rows, s.hidden, slots, {gy, task.rows, true}, h + first * width,
                        s.slots * width, gw, s.hidden, first > begin);
  }
  if (a.gb_out == nullptr) return;
  for (std::int64_t j = 0; j < task.rows; ++j) {
    a.gb_out[task.expert * s.out + task.row + j] = static_cast<T>(sums[j]);
  }
}

/// Adds up a token's slots in the order of its choices.
template <class T>
void sum_choices(Cpu& cpu, const MoeShape& s, const MoeRoutes& routes, std::int64_t width,
                 const T* slots, const T* weights, T* tokens) {
  run(cpu, Combine<T>{.shape = {s.tokens, s.k, s.slots, width},
                      .inverse = routes.inverse,
                      .x = slots,
                      .weights = weights,
                      .y = tokens});
}

}  // namespace

template <class T>
void moe_forward_fused(Cpu& cpu, const MoeForward<T>& a) {
  const MoeShape& s = a.shape;
  const DeviceArray<Cpu, T> outputs(cpu, s.slots * s.out);
  const std::vector<Block> blocks = blocks_of(s.experts, a.routes.offsets);
  with_activation(s.activation, [&](auto unit) {
    for_each_task(blocks,
                  [&](const Block& block) { forward_block(unit, a, block, outputs.data()); });
  });
  sum_choices(cpu, s, a.routes, s.out, outputs.data(), a.weights, a.y);
}

template <class T>
void moe_backward_fused(Cpu& cpu, const MoeBackward<T>& a) {
  const MoeShape& s = a.shape;
  const bool in = a.gw_in != nullptr || a.gb_in != nullptr;
  const std::int64_t width = strip_columns<T>();
  const std::int64_t h_columns = (s.hidden + width - 1) / width * width;
  const DeviceArray<Cpu, T> gu(cpu, in ? s.slots * s.wide() : 0);
  const DeviceArray<Cpu, T> h(cpu, a.gw_out != nullptr ? s.slots * h_columns : 0);
  {
    const DeviceArray<Cpu, T> gx(cpu, a.gx != nullptr ? s.slots * s.width : 0);
    const Left<T> left = {.gu = in ? gu.data() : nullptr,
                          .h = a.gw_out != nullptr ? h.data() : nullptr,
                          .gx = a.gx != nullptr ? gx.data() : nullptr};
    if (a.gweights != nullptr && s.slots < s.tokens * s.k) {
      std::fill_n(a.gweights, s.tokens * s.k, T{0});
    }
    const std::vector<Block> blocks = blocks_of(s.experts, a.routes.offsets);
    with_activation(s.activation, [&](auto unit) {
      for_each_task(blocks, [&](const Block& block) { backward_block(unit, a, block, left); });
    });
    if (a.gx != nullptr) {
      sum_choices<T>(cpu, s, a.routes, s.width, gx.data(), nullptr, a.gx);
    }
  }
  if (in) {
    for_each_task(grad_tasks(s.experts, s.wide()),
                  [&](const GradTask& task) { grad_in(a, gu.data(), task); });
  }
  if (a.gw_out != nullptr || a.gb_out != nullptr) {
    for_each_task(grad_tasks(s.experts, s.out),
                  [&](const GradTask& task) { grad_out(a, h.data(), task); });
  }
}

template void moe_forward_fused(Cpu&, const MoeForward<float>&);
template void moe_forward_fused(Cpu&, const MoeForward<double>&);
template void moe_backward_fused(Cpu&, const MoeBackward<float>&);
template void moe_backward_fused(Cpu&, const MoeBackward<double>&);

}  // namespace switchyard::kernels

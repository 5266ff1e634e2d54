#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/api/moe.h"
#include "kernels/cpu/expert_blocks.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_product.h"

// What the passes of the MoE layer's fused rungs do with one block of an expert's slots. Operands
// of products lie in panels of elements (tile_operand.h), results in panels of sums, each with a
// row of kBlockSlots for each column; a sum panel of float or double is the next product's operand.

namespace switchyard::kernels {

template <class T>
using SumOf = ResultOf<T>;

/// Hidden units that are between the products of a block at a time.
inline constexpr std::int64_t kStretch = 256;

/// The calling thread's panels of one block.
template <class T>
class Panels {
 public:
  /// Room for this many columns of sums, or of terms of operands.
  explicit Panels(std::int64_t columns)
      : next_(scratch<std::byte>(Scratch::kMoePanels, static_cast<std::size_t>(columns) *
                                                          kBlockSlots * sizeof(SumOf<T>))) {}
  SumOf<T>* sums(std::int64_t columns) { return take<SumOf<T>>(columns); }
  ElementOf<T>* operand(std::int64_t terms) { return take<ElementOf<T>>(elements_for<T>(terms)); }

 private:
  template <class Number>
  Number* take(std::int64_t columns) {
    auto* const panel = reinterpret_cast<Number*>(next_);
    next_ += static_cast<std::size_t>(columns) * kBlockSlots * sizeof(Number);
    return panel;
  }

  std::byte* next_;
};

/// The operand of a product whose terms are the columns of a sum panel: the panel itself, or
/// `pairs`, filled with its numbers rounded to bfloat16.
template <class T>
const ElementOf<T>* as_operand(const SumOf<T>* sums, std::int64_t columns, std::int64_t padded,
                               ElementOf<T>* pairs) {
  if constexpr (kTermsOf<T> == 1) {
    static_cast<void>(columns), static_cast<void>(padded), static_cast<void>(pairs);
    return sums;
  } else {
    for (std::int64_t j = 0; j < columns; j += 2) {
      const float* const low = sums + j * kBlockSlots;
      ElementOf<T>* const to = pairs + j / 2 * kBlockSlots;
      for (std::int64_t i = 0; i < padded; ++i) {
        to[i] = {BFloat16(low[i]), BFloat16(low[kBlockSlots + i])};
      }
    }
    return pairs;
  }
}

/// Lanes of a panel that hold `slots`. Pairs' go in whole tiles, so that what computes a slot does
/// not depend on how many there are; vectors of single numbers do that already.
template <class T>
std::int64_t padded_slots(std::int64_t slots) {
  if constexpr (kTermsOf<T> == 1) {
    return round_up_to_lanes<T>(slots);
  } else {
    const std::int64_t width = strip_columns<T>();
    return (slots + width - 1) / width * width;
  }
}

template <class T>
class MoeBlock {
 public:
  using Sum = SumOf<T>;
  using Element = ElementOf<T>;
  static constexpr std::int64_t kTerms = kTermsOf<T>;

  MoeBlock(const MoeShape& shape, const MoeRoutes& routes, const MoeWeights<T>& experts,
           const Block& block)
      : shape_(shape),
        routes_(routes),
        block_(block),
        padded_(padded_slots<T>(block.slots)),
        w_in_(of_expert(experts.w_in, shape.wide() * shape.width)),
        b_in_(of_expert(experts.b_in, shape.wide())),
        w_out_(of_expert(experts.w_out, shape.out * shape.hidden)),
        b_out_(of_expert(experts.b_out, shape.out)) {}

  std::int64_t assignment(std::int64_t slot) const {
    return routes_.permutation[block_.first + slot];
  }
  const T* token_row(const T* x, std::int64_t columns, std::int64_t slot) const {
    return x + assignment(slot) / shape_.k * columns;
  }
  std::int64_t slots() const { return block_.slots; }
  std::int64_t padded() const { return padded_; }

  /// Rows of the block's tokens out of x [T, columns].
  void gather(const T* x, std::int64_t columns, Element* panel) const {
    fill_panel<Element>(
        block_.slots, padded_, columns / kTerms,
        [&](std::int64_t slot) {
          return reinterpret_cast<const Element*>(token_row(x, columns, slot));
        },
        panel, kBlockSlots);
  }
  /// Columns [from, from + count) of the block's rows of m [S, columns], as sums; `pairs` has room
  /// for them as an operand.
  void load(const T* m, std::int64_t columns, std::int64_t from, std::int64_t count, Sum* sums,
            Element* pairs) const {
    const auto row = [&](std::int64_t slot) {
      return reinterpret_cast<const Element*>(m + (block_.first + slot) * columns + from);
    };
    if constexpr (kTerms == 1) {
      static_cast<void>(pairs);
      fill_panel<Element>(block_.slots, padded_, count, row, sums, kBlockSlots);
    } else {
      fill_panel<Element>(block_.slots, padded_, count / 2, row, pairs, kBlockSlots);
      for (std::int64_t j = 0; j < count / 2 * kBlockSlots; j += kBlockSlots) {
        for (std::int64_t i = 0; i < padded_; ++i) {
          sums[2 * j + i] = std::bit_cast<float>(pairs[j + i].bits << 16);
          sums[2 * j + kBlockSlots + i] = std::bit_cast<float>(pairs[j + i].bits & 0xFFFF0000U);
        }
      }
    }
  }
  /// Writes an operand's terms to columns [from, from + count) of the block's rows of m.
  void store(const Element* operand, std::int64_t columns, std::int64_t from, std::int64_t count,
             T* m) const {
    empty_panel<Element>(block_.slots, count / kTerms, operand, kBlockSlots,
                         [&](std::int64_t slot, std::int64_t column) {
                           return reinterpret_cast<Element*>(m + (block_.first + slot) * columns +
                                                             from + column * kTerms);
                         });
  }
  /// Writes all columns of a sum panel to the block's rows of m [S, columns].
  void store_sums(const Sum* sums, std::int64_t columns, Sum* m) const {
    empty_panel<Sum>(block_.slots, columns, sums, kBlockSlots,
                     [&](std::int64_t slot, std::int64_t column) {
                       return m + (block_.first + slot) * columns + column;
                     });
  }

  // Products with a matrix that is null are zeros.

  /// u [count] of hidden units [from, from + count), and of their second inputs behind them.
  template <class Unit>
  void pre_activations(const Element* x, std::int64_t from, std::int64_t count, Sum* u) const {
    products_in<Unit>(x, from, count, u, false);
    for (std::int64_t part = 0; b_in_ != nullptr && part < Unit::kInputs; ++part) {
      add_bias(b_in_ + part * shape_.hidden + from, count, u + part * count * kBlockSlots);
    }
  }
  /// Adds the same without a bias.
  template <class Unit>
  void add_pre_activations(const Element* x, std::int64_t from, std::int64_t count, Sum* u) const {
    products_in<Unit>(x, from, count, u, true);
  }
  /// y [C] = W_out h for hidden units [from, from + count); plus y if `add`.
  void outputs(const Element* h, std::int64_t from, std::int64_t count, Sum* y, bool add) const {
    product(w_out_, from, shape_.hidden, false, shape_.out, count, h, y, add);
  }
  void add_output_bias(Sum* y) const {
    if (b_out_ != nullptr) add_bias(b_out_, shape_.out, y);
  }
  /// y += weight · b_out for each slot.
  void add_weighed_output_bias(const Sum* weights, Sum* y) const {
    for (std::int64_t c = 0; b_out_ != nullptr && c < shape_.out; ++c) {
      const auto number = static_cast<Sum>(b_out_[c]);
      Sum* const row = y + c * kBlockSlots;
      for (std::int64_t i = 0; i < padded_; ++i) row[i] += weights[i] * number;
    }
  }
  /// g [count] = W_outᵀ gy for hidden units [from, from + count).
  void hidden_cotangents(const Element* gy, std::int64_t from, std::int64_t count, Sum* g) const {
    product(w_out_, from, shape_.hidden, true, count, shape_.out, gy, g, false);
  }
  /// gx [D] = W_inᵀ gu for inputs number `part` of the hidden units [from, from + count); plus gx
  /// if `add`.
  void token_cotangents(const Element* gu, std::int64_t part, std::int64_t from, std::int64_t count,
                        Sum* gx, bool add) const {
    product(w_in_, (part * shape_.hidden + from) * shape_.width, shape_.width, true, shape_.width,
            count, gu, gx, add);
  }
  /// <gy, b_out> of each slot, 0 without a bias.
  void bias_dots(const T* gy, double* dots) const {
    std::fill_n(dots, padded_, 0.0);
    for (std::int64_t i = 0; b_out_ != nullptr && i < block_.slots; ++i) {
      const T* const row = token_row(gy, shape_.out, i);
      for (std::int64_t c = 0; c < shape_.out; ++c) {
        dots[i] += double{static_cast<Sum>(b_out_[c])} * double{static_cast<Sum>(row[c])};
      }
    }
  }

 private:
  const T* of_expert(const T* array, std::int64_t numbers) const {
    return array == nullptr ? nullptr : array + block_.expert * numbers;
  }
  template <class Unit>
  void products_in(const Element* x, std::int64_t from, std::int64_t count, Sum* u,
                   bool add) const {
    for (std::int64_t part = 0; part < Unit::kInputs; ++part) {
      product(w_in_, (part * shape_.hidden + from) * shape_.width, shape_.width, false, count,
              shape_.width, x, u + part * count * kBlockSlots, add);
    }
  }
  /// c [rows] (+)= the part of a stored matrix from element `at` on times b [depth].
  void product(const T* matrix, std::int64_t at, std::int64_t stride, bool transposed,
               std::int64_t rows, std::int64_t depth, const Element* b, Sum* c, bool add) const {
    if (matrix != nullptr) {
      tile_product<T>(rows, padded_, depth, {matrix + at, stride, transposed}, b, kBlockSlots, c,
                      kBlockSlots, add ? TileWrite::kAdd : TileWrite::kReplace);
    } else if (!add) {
      std::fill_n(c, rows * kBlockSlots, Sum{0});
    }
  }
  void add_bias(const T* bias, std::int64_t columns, Sum* panel) const {
    for (std::int64_t j = 0; j < columns; ++j) {
      const auto number = static_cast<Sum>(bias[j]);
      for (std::int64_t i = 0; i < padded_; ++i) panel[j * kBlockSlots + i] += number;
    }
  }

  const MoeShape& shape_;
  const MoeRoutes& routes_;
  Block block_;
  std::int64_t padded_;
  const T *w_in_, *b_in_, *w_out_, *b_out_;
};

}  // namespace switchyard::kernels

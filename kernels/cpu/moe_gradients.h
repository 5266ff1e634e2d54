#pragma once

#include "kernels/api/moe.h"
#include "kernels/cpu/moe_block.h"

// The gradients of the experts' matrices and biases are sums over slots, which come after the
// passes over blocks: of what those left, and of the tokens' rows.

namespace switchyard::kernels {

/// Elements over all slots, an expert's slots together: each expert begins with a whole element.
template <class T>
std::int64_t slot_elements(const MoeShape& s) {
  return s.slots / kTermsOf<T> + (kTermsOf<T> - 1) * (s.experts + 1);
}
/// The first of an expert's, whose slots begin at `first`.
template <class T>
std::int64_t first_element(std::int64_t expert, std::int64_t first) {
  return first / kTermsOf<T> + (kTermsOf<T> - 1) * expert;
}
/// Elements of hidden units [S, H] in strips of slot_elements() rows.
template <class T>
std::int64_t hidden_strip_elements(const MoeShape& s) {
  const std::int64_t width = strip_columns<T>();
  return (s.hidden + width - 1) / width * slot_elements<T>(s) * width;
}

/// Hidden units [from, from + count) of h [count, slots] to strips whose terms are slots.
template <class T>
void keep_hidden(const MoeShape& s, const MoeBlock<T>& of, const Block& block,
                 std::int64_t first_slot, const SumOf<T>* h, std::int64_t from, std::int64_t count,
                 ElementOf<T>* strips) {
  const std::int64_t width = strip_columns<T>();
  const std::int64_t first =
      first_element<T>(block.expert, first_slot) + (block.first - first_slot) / kTermsOf<T>;
  const auto place = [&](std::int64_t element, std::int64_t column) {
    const std::int64_t strip = (from + column) / width;
    return strips + (strip * slot_elements<T>(s) + first + element) * width +
           (from + column) % width;
  };
  if constexpr (kTermsOf<T> == 1) {
    empty_panel<T>(of.slots(), count, h, kBlockSlots, place);
  } else {
    // Neighbouring lanes are neighbouring slots: rows of them narrow to rows of pairs.
    constexpr std::int64_t kRow = kBlockSlots / 2;
    constexpr std::int64_t kColumns = 64;  // at a time
    BFloat16Pair pairs[kColumns * kRow];
    for (std::int64_t j = 0; j < count; j += kColumns) {
      const std::int64_t columns = std::min(kColumns, count - j);
      for (std::int64_t c = 0; c < columns; ++c) {
        const float* const lanes = h + (j + c) * kBlockSlots;
        for (std::int64_t i = 0; i < of.padded() / 2; ++i) {  // weighed with 0 behind the slots
          pairs[c * kRow + i] = {BFloat16(lanes[2 * i]), BFloat16(lanes[2 * i + 1])};
        }
      }
      empty_panel<BFloat16Pair>(
          elements_for<T>(of.slots()), columns, pairs, kRow,
          [&](std::int64_t element, std::int64_t column) { return place(element, j + column); });
    }
  }
}

/// Slots' rows of u's width and the tokens' rows that each of them is multiplied with.
template <class T>
struct SlotsByTokens {
  const T* gu = nullptr;  ///< [S, H']
  const T* x = nullptr;   ///< [T, D]
};

/// gw_in = Σ gu xᵀ over the slots of an expert and over both terms, gb_in = Σ gu of the first term,
/// gw_out = Σ gy hᵀ, gb_out = Σ bias_weights · gy. A null result is not wanted.
template <class T>
struct MatrixSums {
  MoeShape shape;
  MoeRoutes routes;
  SlotsByTokens<T> in[2] = {};                ///< the second may be null
  const ElementOf<T>* h = nullptr;            ///< [S, H] in strips, as keep_hidden() leaves it
  const T* gy = nullptr;                      ///< [T, C]
  const ResultOf<T>* bias_weights = nullptr;  ///< [T, k], or null for zeros
  T* gw_in = nullptr;
  T* gb_in = nullptr;
  T* gw_out = nullptr;
  T* gb_out = nullptr;
};

/// Runs as a step of `rung`: sums over each expert's slots in order, by rows of the results.
template <class T>
void run_matrix_gradients(Cpu& cpu, const char* rung, const MatrixSums<T>& a);

}  // namespace switchyard::kernels

#pragma once

#include "kernels/api/moe.h"
#include "kernels/cpu/moe_block.h"

namespace switchyard::kernels {

/// What the first pass of the way back leaves for the gradients of the matrices; null: not wanted.
template <class T>
struct MoeLeft {
  T* gu = nullptr;            ///< [S, H'] times the weight
  ElementOf<T>* h = nullptr;  ///< [S, H] times the weight, in strips of slot_elements() rows
  SumOf<T>* gx = nullptr;     ///< [S, D]
};

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

/// gw_in, gb_in, gw_out and gb_out, as far as they are wanted: sums over each expert's slots in
/// order, by rows of the results.
template <class T>
void moe_matrix_gradients(const MoeBackward<T>& a, const MoeLeft<T>& left);

}  // namespace switchyard::kernels

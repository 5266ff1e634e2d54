#pragma once

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// The weights of E gated experts of H hidden units over tokens of D numbers.
struct ExpertWeights {
  Tensor gate;  ///< [E, H, D]
  Tensor up;    ///< [E, H, D]
  Tensor down;  ///< [E, D, H]
};

/// down · (silu(gate · x) ∘ up · x), a SwiGLU (Shazeer, 2020), for rows [S, D] that lie expert by
/// expert: those of expert e are [offsets[e], offsets[e + 1]).
Tensor my_experts(const Tensor& rows, const ExpertWeights& weights, const Tensor& offsets);

}  // namespace switchyard::labs

#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"

// The way back through a gate in one call. T = float and double.

namespace switchyard::kernels {

/// glogits [tokens, experts] from the gradient of the k weights of each token, g: softmax's
/// backward pass and the way back through the choice.
///
///   over the kept   w_j (g_j - Σ g·w) at the j-th chosen expert, 0 elsewhere; w from `weights`
///   over all        p_e (g_e - Σ g·p) at every expert, g_e = 0 where it was not chosen; p is the
///                   softmax of `values`
///
/// g counts from that of the first choice, the heaviest. That changes nothing, since the weights
/// add up to 1, and where the first is nearly 1 it takes the place of a difference from 1.
template <class T>
struct GateBackward {
  static constexpr std::string_view kName = "gate_backward";
  const T* gweights = nullptr;  ///< [tokens, k]
  /// [tokens, k]: different experts in each row, the heaviest first.
  const std::int64_t* indices = nullptr;
  const T* weights = nullptr;  ///< [tokens, k], for the softmax over the kept; else null
  const T* values = nullptr;   ///< [tokens, experts], for the softmax over all; else null
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t k = 0;    ///< 1 <= k <= experts
  T* glogits = nullptr;  ///< [tokens, experts]
  bool over_all() const { return values != nullptr; }
  Work work() const {
    const std::int64_t read = tokens * k + (over_all() ? tokens * experts : tokens * k);
    return {.bytes = bytes_of<T>(read + tokens * experts) + bytes_of<std::int64_t>(tokens * k)};
  }
};

}  // namespace switchyard::kernels

#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/api/random.h"
#include "kernels/api/routing.h"

// The gate of a mixture of experts in one call: noise, temperature, choice and weights. T = float
// and double.

namespace switchyard::kernels {

/// Whether the softmax that makes weights of logits runs over the k kept logits or over all.
enum class GateOrder : std::uint8_t {
  kTopKSoftmax,              ///< over the kept: weights sum to 1
  kSoftmaxTopK,              ///< over all, of which k are kept as they are
  kSoftmaxTopKRenormalized,  ///< the same divided by their sum
};

/// With v = (logits + deviation · normal) / temperature: `indices` of the k largest of each row of
/// v, descending, ties to the lower expert, and `weights` by the order. Noise is what RandomNormal
/// draws.
template <class T>
struct Gate {
  static constexpr std::string_view kName = "gate";
  const T* logits = nullptr;     ///< [tokens, experts]
  const T* deviation = nullptr;  ///< [tokens, experts], or null for no noise
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t k = 0;  ///< 1 <= k <= experts
  GateOrder order = GateOrder::kTopKSoftmax;
  double temperature = 1.0;         ///< > 0
  RandomStretch noise = {};         ///< of tokens · experts normal numbers
  T* weights = nullptr;             ///< [tokens, k]
  std::int64_t* indices = nullptr;  ///< [tokens, k]
  /// Lowered to the first row whose v holds NaN or +inf or nothing above -inf. Such a row's indices
  /// are k different experts; its weights mean nothing.
  LowestNumber* bad_row = nullptr;
  Work work() const {
    return {.bytes = bytes_of<T>(tokens * experts * (deviation != nullptr ? 2 : 1) + tokens * k) +
                     bytes_of<std::int64_t>(tokens * k)};
  }
};

}  // namespace switchyard::kernels

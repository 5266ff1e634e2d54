#pragma once

#include <cstdint>

#include "kernels/api/fault.h"
#include "kernels/api/kernel.h"
#include "kernels/api/random.h"

// The gate of a mixture of experts in one call: noise, temperature, choice and weights. T = float
// and double.

namespace switchyard::kernels {

/// Says whether the softmax that makes weights of logits runs over the k kept logits or over all.
enum class GateOrder : std::uint8_t {
  kTopKSoftmax,              ///< over the kept: weights sum to 1
  kSoftmaxTopK,              ///< over all, of which k are kept as they are
  kSoftmaxTopKRenormalized,  ///< the same divided by their sum
};

/// Chooses experts by v = dropout(logits + deviation · normal) / temperature: writes the `indices`
/// of the k largest of each row of v, descending, ties to the lower expert, and `weights` by the
/// order. Noise is what RandomNormal draws and dropout what Dropout does.
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
  double dropout = 0.0;             ///< 0 <= dropout < 1
  RandomStretch mask = {};          ///< of the dropout of tokens · experts numbers
  T* weights = nullptr;             ///< [tokens, k]
  std::int64_t* indices = nullptr;  ///< [tokens, k]
  T* values = nullptr;              ///< [tokens, experts]: v; null: nobody asks for it
  /// Told the first row whose v holds NaN or +inf or nothing above -inf. Such a row's indices
  /// are k different experts; its weights mean nothing.
  FaultReport bad_row = {};
  Work work() const {
    const std::int64_t matrices = 1 + (deviation != nullptr ? 1 : 0) + (values != nullptr ? 1 : 0);
    return {.bytes = bytes_of<T>(tokens * experts * matrices + tokens * k) +
                     bytes_of<std::int64_t>(tokens * k)};
  }
};

}  // namespace switchyard::kernels

#pragma once

#include <cstdint>

#include "kernels/api/random.h"
#include "kernels/api/variants.h"

// The gate of a mixture of experts in one call: noise, temperature, choice and weights. T = float
// and double.

namespace switchyard::kernels {

/// Whether the softmax that makes weights of logits runs over the k kept logits or over all.
enum class GateOrder : std::uint8_t {
  kTopKSoftmax,              ///< over the kept: weights sum to 1
  kSoftmaxTopK,              ///< over all, of which k are kept as they are
  kSoftmaxTopKRenormalized,  ///< the same divided by their sum
};

struct GateShape {
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t k = 0;  ///< 1 <= k <= experts
};

struct GateOptions {
  GateOrder order = GateOrder::kTopKSoftmax;
  double temperature = 1.0;  ///< > 0
  RandomStretch noise = {};  ///< of tokens · experts normal numbers, used if there is a deviation
};

/// With v = (logits + deviation · normal) / temperature, [tokens, experts] each, `deviation` null
/// for no noise: `indices` [tokens, k] of the k largest of each row of v, descending, ties to the
/// lower expert, and `weights` [tokens, k] by the order. Noise is what random_normal draws.
///
/// Returns the lowest row whose v holds NaN or +inf or nothing above -inf, or -1. Such a row's k
/// indices are k different experts; its weights are meaningless.
template <class Exec, class T>
std::int64_t gate(Exec&, const GateShape& shape, const GateOptions& options, const T* logits,
                  const T* deviation, T* weights, std::int64_t* indices);

template <class Exec, class T>
using GateFunction = std::int64_t(Exec&, const GateShape& shape, const GateOptions& options,
                                  const T* logits, const T* deviation, T* weights,
                                  std::int64_t* indices);
/// The ladder behind it (kernels/cuda/gate.cu). A variant throws std::invalid_argument where what
/// it needs is not met and for more tokens or experts than 32-bit indices or a grid cover.
template <class Exec, class T>
VariantLadder<GateFunction<Exec, T>> gate_ladder();

}  // namespace switchyard::kernels

#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

/// Holds what a gate did with a batch of N samples or tokens.
struct GateOutput {
  Tensor logits;         ///< [N, E] what the router chose by: logits after noise, temperature and
                         ///< dropout; scores plus bias of a sigmoid gate
  Tensor probabilities;  ///< [N, E] gate probabilities (soft: all experts; sparse: zero outside the
                         ///< top k)
  Tensor indices;        ///< [N, k] int64 chosen experts; soft head: undefined
  Tensor weights;        ///< [N, k]; soft head: undefined
  std::int64_t dropped = 0;  ///< assignments beyond capacity
};

/// Assignments that each expert got, those beyond a capacity left out: of a routing's `offsets`
/// [E + 1] int64. Waits for the device.
std::vector<std::int64_t> expert_loads(const Tensor& offsets);

/// -Σ_e p ln p of each row of p [N, E], in nats -> [N]. Without history.
Tensor gate_entropy(const Tensor& probabilities);

/// How far each row's choice is from changing: the k-th greatest of `logits` [N, E] minus the next
/// -> [N]. Without history. Error unless 1 <= k < E; whatever top_k() refuses.
Tensor choice_margin(const Tensor& logits, std::int64_t k);

}  // namespace switchyard

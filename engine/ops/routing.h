#pragma once

#include "engine/core/tensor.h"
#include "engine/ops/matmul.h"

namespace switchyard {

/// Indices [T, k] int64 of the k largest entries of each row of `logits` [T, E], descending; ties
/// go to the lower index. No gradient: values flow through gather. Errors: k < 1, k > E, a row
/// whose logits hold NaN or are all -inf (naming the row).
Tensor top_k(const Tensor& logits, std::int64_t k);

/// Returns, on the CPU, the position of the first of `indices` (int64, any shape) outside [0,
/// bound), or -1. On other devices, which nobody waits for, it returns -1; such a position is
/// reported as `op`'s fault with `text` (engine/core/fault.h), whose {0} is the position and {1}
/// the bound.
std::int64_t first_out_of_range(std::string_view op, const Tensor& indices, std::int64_t bound,
                                std::string_view text);

/// Says where indices come from: kTrusted are those that top_k, gate or make_routing have made, or
/// that an operation has checked before, whose elements nobody needs to look at again.
enum class Indices { kChecked, kTrusted };

/// y[t, j] = x[t, indices[t, j]]; x [T, E], indices [T, k] int64 -> [T, k]. Transpose of
/// scatter_add.
Tensor gather(const Tensor& x, const Tensor& indices, Indices origin = Indices::kChecked);
/// y[t, indices[t, j]] += x[t, j] into zeros [T, columns].
Tensor scatter_add(const Tensor& x, const Tensor& indices, std::int64_t columns,
                   Indices origin = Indices::kChecked);

/// Says where each (token, choice) goes: a stable sort of the assignments by expert.
struct Routing {
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t k = 0;
  std::int64_t dropped = 0;   ///< assignments beyond an expert's capacity
  Tensor indices;             ///< [T, k] int64
  Tensor offsets;             ///< [E+1] int64: slots [offsets[e], offsets[e+1]) belong to expert e
  Tensor permutation;         ///< [S] int64: slot -> token·k + choice; S = T·k - dropped
  Tensor inverse;             ///< [T, k] int64: assignment -> slot, -1 if dropped
  std::uint64_t version = 0;  ///< of its tensors, when it was sealed
};

/// Sorts assignments by expert, tokens ascending within one. `capacity` per expert, by position
/// within the batch; 0 is dropless. Errors: an index outside [0, experts).
Routing make_routing(const Tensor& indices, std::int64_t experts, std::int64_t capacity = 0,
                     Indices origin = Indices::kChecked);

/// The routing in which each expert takes the `per_expert` tokens of the greatest scores [T, E]
/// (ties to the lower token): k = E, choice e of every token being expert e, "dropped" where the
/// expert did not take it. No gradient. Waits for the device. Errors: per_expert < 0 or > T; NaN.
Routing choose_tokens(const Tensor& scores, std::int64_t per_expert);

/// The same routing, which from now on is to stay as it is: whoever fills one in ends with this.
Routing sealed(Routing routing);
/// Error naming `op` where a tensor of the routing was overwritten since it was sealed.
void check_intact(std::string_view op, const Routing& routing);

// Combining is one trilinear form Σ_{t,j} weights[t, j] · <gy[t], x[slot(t, j)]> with three faces,
// each the derivative of the others. Undefined `weights` stand for ones; dropped assignments
// contribute nothing. Weights of rows in bfloat16 may be float32, and then so is their gradient.
// Sums are float32 or wider. Errors: sizes that do not fit the routing.

/// Gathers token rows into expert order: y[s] = x[token(s)], times weights[t, j] of the assignment
/// if given. x [T, D], weights [T, k] -> [S, D].
Tensor dispatch(const Tensor& x, const Routing& routing, const Tensor& weights = {});
/// Adds rows back: y[t] = Σ_j weights[t, j] · x[slot(t, j)]. x [S, D], weights [T, k] -> [T, D].
Tensor combine(const Tensor& x, const Tensor& weights, const Routing& routing);
/// Gradient of combine with respect to its weights: <gy[t], x[slot(t, j)]>, 0 where dropped.
/// x [S, D], gy [T, D] -> [T, k].
Tensor combine_weight_grad(const Tensor& x, const Tensor& gy, const Routing& routing,
                           ProductDType result = ProductDType::kOperands);

}  // namespace switchyard

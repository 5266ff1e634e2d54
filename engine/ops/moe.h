#pragma once

#include "engine/ops/routing.h"
#include "kernels/api/moe.h"

namespace switchyard {

using kernels::ExpertActivation;

/// The parameters of E experts of two layers, as their products read them. H' is H, or 2H where two
/// pre-activations make a hidden unit (kSwiGlu). A bias may be undefined: there is none.
struct ExpertParameters {
  Tensor w_in = {};   ///< [E, H', D]
  Tensor b_in = {};   ///< [E, H'] or undefined
  Tensor w_out = {};  ///< [E, C, H]
  Tensor b_out = {};  ///< [E, C] or undefined
};

/// Says what the way back reads: the experts' pre-activations [S, H'], or the tokens alone, of
/// which it computes them again.
enum class MoeSaves { kPreActivations, kTokens };

/// y[t] = Σ_j weights[t, j] · expert_{indices[t, j]}(x[t]) over the assignments that were not
/// dropped, expert(x) = W_out activation(W_in x + b_in) + b_out: the experts of a token MoE layer
/// in one kernel each way. x [T, D], weights [T, k] -> [T, C]. Differentiable, any number of times,
/// by x, weights and parameters, the routing held fixed: the derivative of the gradient is that of
/// moe_composed(), which also computes bfloat16 tokens on other devices than the CPU. Their weights
/// may be float32. Errors: sizes that do not fit each other or the routing.
Tensor moe(const Tensor& x, const Tensor& weights, const Routing& routing,
           const ExpertParameters& experts, ExpertActivation activation,
           MoeSaves saves = MoeSaves::kPreActivations);

/// The same out of dispatch, grouped products, activation and combine.
Tensor moe_composed(const Tensor& x, const Tensor& weights, const Routing& routing,
                    const ExpertParameters& experts, ExpertActivation activation);

/// Hidden units [S, H] of pre-activations u [S, H'].
Tensor activate_experts(const Tensor& u, ExpertActivation activation);

}  // namespace switchyard

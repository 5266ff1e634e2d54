#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/api/routing.h"
#include "kernels/common/bfloat16.h"

// The experts of a token MoE layer, from routed tokens to weighed sums, in one call each way. An
// expert is u = W_in x + b_in, h = activation(u), y = W_out h + b_out; a token's result is the sum
// of its experts' y, each times its weight. T = float, double and bfloat16, the last with float32
// weights and sums.
//
// Sizes: T tokens, E experts, k choices, S slots as in routing.h; D columns of a token, H hidden
// units of an expert, C columns of a result. u has H' columns: H, or 2H where two of them make one
// unit (kSwiGlu).

namespace switchyard::kernels {

/// Makes hidden units h [H] of pre-activations u [H'].
enum class ExpertActivation : std::uint8_t {
  kRelu,    ///< max(u, 0)
  kGelu,    ///< u Φ(u), with the exact normal distribution function
  kSwiGlu,  ///< silu(u[j]) · u[H + j] (Shazeer 2020, "GLU Variants Improve Transformer", eq. 6)
};

/// Columns of u for `hidden` units.
constexpr std::int64_t pre_activations(ExpertActivation activation, std::int64_t hidden) {
  return activation == ExpertActivation::kSwiGlu ? 2 * hidden : hidden;
}

/// h[s] = activation(u[s]) for each of `rows` rows.
template <class T>
struct ActivateExperts {
  static constexpr std::string_view kName = "activate_experts";
  ExpertActivation activation = ExpertActivation::kRelu;
  std::int64_t rows = 0;
  std::int64_t hidden = 0;  ///< H
  const T* u = nullptr;     ///< [rows, H']
  T* h = nullptr;           ///< [rows, H]
  Work work() const {
    return {.bytes = bytes_of<T>(rows * (hidden + pre_activations(activation, hidden)))};
  }
};

/// The way back through the activation, for rows that are weighed behind the experts. With
/// w = weights[permutation[s]] and the cotangent g[s] of h before it is weighed:
///   gu[s] = w · g[s] · activation'(u[s])
///   h[s] = w · activation(u[s])                      the left factor of W_out's gradient
///   gweights[permutation[s]] = <g[s], activation(u[s])> + bias_dots[token, expert]
/// since <gy, W_out h + b_out> = <W_outᵀ gy, h> + <gy, b_out>: the expert's output is not needed.
template <class T>
struct ActivateExpertsGrad {
  static constexpr std::string_view kName = "activate_experts_grad";
  ExpertActivation activation = ExpertActivation::kRelu;
  std::int64_t rows = 0;                      ///< S
  std::int64_t hidden = 0;                    ///< H
  std::int64_t k = 1;                         ///< choices per token
  std::int64_t experts = 0;                   ///< E
  const std::int64_t* permutation = nullptr;  ///< [S]: slot -> token · k + choice
  /// [T, k], or null where all are of expert 0; read with bias_dots only.
  const std::int64_t* indices = nullptr;
  const ResultOf<T>* weights = nullptr;    ///< [T, k], or null for ones
  const T* u = nullptr;                    ///< [S, H']
  const T* g = nullptr;                    ///< [S, H]
  const ResultOf<T>* bias_dots = nullptr;  ///< [T, E] = gy b_outᵀ, or null for zeros
  T* gu = nullptr;                         ///< [S, H']
  T* h = nullptr;                          ///< [S, H], or null: nobody asks for it
  ResultOf<T>* gweights = nullptr;         ///< [T, k], or null; dropped ones are not written
  Work work() const {
    const std::int64_t wide = pre_activations(activation, hidden);
    const std::int64_t numbers = (weights != nullptr ? 1 : 0) + (gweights != nullptr ? 1 : 0) +
                                 (bias_dots != nullptr ? 1 : 0);
    return {.bytes = bytes_of<T>(rows * (2 * wide + (h != nullptr ? 2 : 1) * hidden)) +
                     bytes_of<ResultOf<T>>(rows * numbers) + bytes_of<std::int64_t>(rows)};
  }
};

/// The activation and its way back, for every type.
using ExpertActivations = TypeList<ActivateExperts<float>, ActivateExperts<double>,
                                   ActivateExperts<BFloat16>, ActivateExpertsGrad<float>,
                                   ActivateExpertsGrad<double>, ActivateExpertsGrad<BFloat16>>;

/// Sizes of the layer.
struct MoeShape {
  std::int64_t tokens = 0;   ///< T
  std::int64_t k = 0;        ///< choices per token
  std::int64_t slots = 0;    ///< S = T · k - dropped
  std::int64_t experts = 0;  ///< E
  std::int64_t width = 0;    ///< D
  std::int64_t hidden = 0;   ///< H
  std::int64_t out = 0;      ///< C
  ExpertActivation activation = ExpertActivation::kRelu;

  std::int64_t wide() const { return pre_activations(activation, hidden); }  ///< H'
  /// Multiplications and additions of the two products of every slot.
  double flops() const {
    return 2.0 * static_cast<double>(slots) * static_cast<double>(width * wide() + hidden * out);
  }
  /// Numbers in the experts' matrices and biases.
  std::int64_t parameters(bool with_bias_in, bool with_bias_out) const {
    return experts *
           (wide() * (width + (with_bias_in ? 1 : 0)) + out * (hidden + (with_bias_out ? 1 : 0)));
  }
};

/// Where each slot's token comes from and goes to: a Routing's arrays (engine/ops/routing.h), in
/// the executor's memory.
struct MoeRoutes {
  const std::int64_t* indices = nullptr;      ///< [T, k]
  const std::int64_t* offsets = nullptr;      ///< [E + 1]
  const std::int64_t* permutation = nullptr;  ///< [S]
  const std::int64_t* inverse = nullptr;      ///< [T, k], -1 where dropped
};

/// The experts' matrices as their products read them; biases may be null for zeros.
template <class T>
struct MoeWeights {
  const T* w_in = nullptr;   ///< [E, H', D]
  const T* b_in = nullptr;   ///< [E, H'] or null
  const T* w_out = nullptr;  ///< [E, C, H]
  const T* b_out = nullptr;  ///< [E, C] or null
};

/// y[t] = Σ_j weights[t, j] · expert_{indices[t, j]}(x[t]) over the assignments that are not
/// dropped. Writes u as well where the way back will need it.
template <class T>
struct MoeForward {
  static constexpr std::string_view kName = "moe_forward";
  MoeShape shape;
  MoeRoutes routes;
  MoeWeights<T> experts;
  const T* x = nullptr;                  ///< [T, D]
  const ResultOf<T>* weights = nullptr;  ///< [T, k]
  T* u = nullptr;                        ///< [S, H'], or null: not kept
  T* y = nullptr;                        ///< [T, C]
  /// Every expert's matrices count, though an expert without tokens needs none: the host does not
  /// know the segments.
  Work work() const {
    const MoeShape& s = shape;
    const std::int64_t numbers = s.tokens * (s.width + s.out + s.k) +
                                 s.parameters(experts.b_in != nullptr, experts.b_out != nullptr) +
                                 (u != nullptr ? s.slots * s.wide() : 0);
    return {.bytes = bytes_of<T>(numbers) + bytes_of<std::int64_t>(s.slots + s.experts + 1),
            .flops = s.flops()};
  }
};

/// Gradients of <gy, y> with respect to everything that MoeForward reads but the routing, which is
/// held fixed. A null result is not wanted.
template <class T>
struct MoeBackward {
  static constexpr std::string_view kName = "moe_backward";
  MoeShape shape;
  MoeRoutes routes;
  MoeWeights<T> experts;
  const T* x = nullptr;                  ///< [T, D]
  const ResultOf<T>* weights = nullptr;  ///< [T, k]
  const T* u = nullptr;                  ///< [S, H'] as MoeForward left it, or null: computed again
  const T* gy = nullptr;                 ///< [T, C]
  T* gx = nullptr;                       ///< [T, D]
  ResultOf<T>* gweights = nullptr;       ///< [T, k]; 0 where dropped
  T* gw_in = nullptr;                    ///< [E, H', D]; 0 for an expert without tokens, so below
  T* gb_in = nullptr;                    ///< [E, H']
  T* gw_out = nullptr;                   ///< [E, C, H]
  T* gb_out = nullptr;                   ///< [E, C]
  Work work() const {
    const MoeShape& s = shape;
    const std::int64_t parameters = s.parameters(experts.b_in != nullptr, experts.b_out != nullptr);
    const std::int64_t results =
        (gx != nullptr ? s.tokens * s.width : 0) + (gweights != nullptr ? s.tokens * s.k : 0) +
        (gw_in != nullptr ? s.experts * s.wide() * s.width : 0) +
        (gw_out != nullptr ? s.experts * s.hidden * s.out : 0) +
        (gb_in != nullptr ? s.experts * s.wide() : 0) + (gb_out != nullptr ? s.experts * s.out : 0);
    const std::int64_t operands =
        s.tokens * (s.width + s.out + s.k) + parameters + (u != nullptr ? s.slots * s.wide() : 0);
    const auto slots = static_cast<double>(s.slots);
    const auto in = static_cast<double>(s.width * s.wide());
    const auto out = static_cast<double>(s.hidden * s.out);
    const double products = (u == nullptr ? in : 0.0) + out +  // u again; the cotangent of h
                            (gx != nullptr ? in : 0.0) + (gw_in != nullptr ? in : 0.0) +
                            (gw_out != nullptr ? out : 0.0);
    return {
        .bytes = bytes_of<T>(operands + results) + bytes_of<std::int64_t>(s.slots + s.experts + 1),
        .flops = 2.0 * slots * products};
  }
};

}  // namespace switchyard::kernels

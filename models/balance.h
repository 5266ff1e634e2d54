#pragma once

#include "engine/core/tensor.h"
#include "engine/ops/elementwise.h"

namespace switchyard {

// These are balance losses of MoE gates: scalars without coefficients, twice differentiable. N
// samples, E experts, k choices. docs/design/heads.md has the formulas.

/// CV² of the importance I_e = Σ_n p[n, e] + 1e-8: biased variance over squared mean (Shazeer et
/// al., 2017, eq. 6-7; the published code's epsilon). `probabilities` [N, E] gate weights, zero for
/// experts that were not chosen.
Tensor importance_cv2(const Tensor& probabilities);

/// CV² of `load` [E]: biased variance over (mean + 1e-8)². The published code passes Σ_n p[n, e];
/// smooth_load() is the original estimator.
Tensor load_cv2(const Tensor& load);

/// Load_e = Σ_n P(n, e): the probability that expert e is among the top k of sample n when its own
/// noise is drawn anew, P = Φ((clean - threshold) / deviation), threshold being the k-th largest
/// noisy logit of the others (Shazeer et al., 2017, eq. 8-10). clean, noisy, deviation [N, E],
/// deviation > 0 -> [E]. With k = E every expert is always chosen: the load is N.
Tensor smooth_load(const Tensor& clean, const Tensor& noisy, const Tensor& deviation,
                   std::int64_t k);

/// Assignments per expert, [E] of `dtype`: indices [N, k] int64. Constant, no gradient.
Tensor assignment_counts(const Tensor& indices, std::int64_t experts, DType dtype);

/// The published soft head's loss, (1/E) Σ_e u·(log u - log max(p̄_e, 1e-8)) with the uniform u =
/// 1/E and p̄ the mean of `probabilities` [N, E] over N: KL(u ‖ p̄) / E.
Tensor uniform_kl(const Tensor& probabilities);

/// E·Σ_e f_e·P_e (Switch Transformer, eq. 4-6): f_e the fraction of the N·k assignments that go to
/// expert e (constant), P_e the mean over N of the full softmax `probabilities` [N, E].
Tensor switch_balance(const Tensor& probabilities, const Tensor& indices);

/// Mean over N of (log Σ_e exp logits[n, e])² (ST-MoE, eq. 5).
Tensor router_z(const Tensor& logits);

/// Adds up coefficient · loss for the losses that are on.
class BalanceSum {
 public:
  /// `loss()` returns a scalar and is not called where the coefficient is 0.
  template <class Loss>
  void add(double coefficient, Loss&& loss) {
    if (coefficient == 0.0) return;
    const Tensor term = loss() * coefficient;
    total_ = total_ ? total_ + term : term;
  }
  /// Undefined if no loss is on.
  const Tensor& total() const { return total_; }

 private:
  Tensor total_;
};

}  // namespace switchyard

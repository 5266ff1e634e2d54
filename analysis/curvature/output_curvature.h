#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "analysis/curvature/loss_hessian.h"

namespace switchyard {

/// One batch of a classifier's mean cross-entropy.
struct LogitsTerm {
  std::function<Tensor()> logits;  ///< builds the graph anew: [n, classes], row i of image i alone
  Tensor labels;                   ///< [n] int64
  double weight = 1.0;             ///< share of the images
};

/// The terms' mean cross-entropies.
std::vector<LossTerm> cross_entropy_of(const std::vector<LogitsTerm>& terms);

// Curvature that lies between the Jacobian of the logits and its transpose, A_n = J_nᵀ M_n J_n for
// image n, and the mean of these over all images. Both are positive semidefinite. One product costs
// J v and Jᵀ u: 4 passes of each convolution with a kept graph.

/// The generalised Gauss-Newton matrix of softmax and cross-entropy, M_n = diag(p_n) - p_n p_nᵀ
/// (Schraudolph, 2002), which is also the Fisher matrix with labels drawn from the model. H less
/// this is the part of the Hessian that comes from the curvature of the logits themselves.
std::shared_ptr<MeanOperator> gauss_newton(const std::vector<Tensor>& parameters,
                                           const std::vector<LogitsTerm>& terms,
                                           std::shared_ptr<GraphMemory> memory = nullptr);

/// The empirical Fisher matrix, the mean of g_n g_nᵀ over the images' own gradients: M_n = r_n r_nᵀ
/// with r_n = p_n - e_label.
std::shared_ptr<MeanOperator> empirical_fisher(const std::vector<Tensor>& parameters,
                                               const std::vector<LogitsTerm>& terms,
                                               std::shared_ptr<GraphMemory> memory = nullptr);

}  // namespace switchyard

#pragma once

#include <memory>
#include <vector>

#include "analysis/curvature/output_curvature.h"

namespace switchyard {

/// The covariance of the images' gradients, F - ḡḡᵀ with the empirical Fisher matrix F, at the
/// price of a product with F. It is not linear in the images, but to first order it is the mean of
///
///     A_i = F_i - g_i ḡᵀ - ḡ g_iᵀ + ḡḡᵀ
///
/// over groups of images with gradients g_i and Fisher matrices F_i (the influence function of a
/// covariance), and at the present images exactly so. Hence its data's error bar. The mean gradient
/// ḡ is computed here and belongs to the parameters' present values.
std::shared_ptr<MeanOperator> gradient_covariance(const std::vector<Tensor>& parameters,
                                                  const std::vector<LogitsTerm>& terms,
                                                  std::shared_ptr<GraphMemory> memory = nullptr);

}  // namespace switchyard

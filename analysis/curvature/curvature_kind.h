#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/curvature/algebra.h"
#include "analysis/curvature/output_curvature.h"
#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// The matrices that describe a mean cross-entropy near the present parameters.
enum class CurvatureKind {
  kHessian,             ///< second derivatives
  kGaussNewton,         ///< output_curvature.h
  kRemainder,           ///< Hessian less Gauss-Newton: what the curvature of the logits adds
  kEmpiricalFisher,     ///< mean of g_n g_nᵀ over images
  kGradientCovariance,  ///< empirical Fisher less ḡ ḡᵀ: how the images' gradients scatter
};
/// "hessian", "gauss_newton", "remainder", "empirical_fisher", "gradient_covariance".
std::string_view name(CurvatureKind kind);
/// All names, in the enumeration's order.
std::vector<std::string> curvature_kind_names();
/// UsageError for a name that is none.
CurvatureKind parse_curvature_kind(std::string_view text);

/// The operator of that kind of the terms' mean cross-entropy, with respect to `parameters`: a mean
/// over the terms, of the gradient covariance to first order (gradient_covariance.h).
Operator curvature_operator(CurvatureKind kind, const std::vector<Tensor>& parameters,
                            const std::vector<LogitsTerm>& terms,
                            std::shared_ptr<GraphMemory> memory = nullptr);

/// That operator of terms in the parameters of `model`, for those in `block`. Only the parameters
/// that the block touches are differentiated for.
Operator block_curvature(CurvatureKind kind, Classifier& model,
                         const std::vector<LogitsTerm>& terms, const ParameterBlock& block,
                         std::shared_ptr<GraphMemory> memory = nullptr);

/// The same of a classifier on `batches` in evaluation mode, one group per batch. A block of the
/// head never touches the backbone again: its features are computed once.
Operator block_curvature(CurvatureKind kind, Classifier& model, const std::vector<Batch>& batches,
                         const ParameterBlock& block,
                         std::shared_ptr<GraphMemory> memory = nullptr);

}  // namespace switchyard

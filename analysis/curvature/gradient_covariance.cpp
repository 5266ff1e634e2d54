#include "analysis/curvature/gradient_covariance.h"

#include "analysis/curvature/image_gradients.h"
#include "analysis/curvature/vectors.h"
#include "engine/autograd/jacobian.h"
#include "engine/ops/elementwise.h"

namespace switchyard {
namespace {

/// v ↦ A_i v of one group.
MeanOperator::Product product_of(const std::vector<Tensor>& parameters, const LogitsTerm& term,
                                 std::shared_ptr<const ParameterVector> gradient) {
  const auto jacobian = std::make_shared<const JacobianOperator>(term.logits(), parameters);
  const Tensor shares = gradient_shares(jacobian->output(), term.labels);
  return [jacobian, shares, gradient](std::span<const Tensor> v) {
    const Tensor jv = jacobian->apply(v);
    const double along = dot(*gradient, v);
    const double own = dot(std::span(&shares, 1), std::span(&jv, 1));  // g_iᵀ v
    ParameterVector product =
        jacobian->apply_transpose(fisher_cotangent(shares, jv) - along * shares);
    axpy(along - own, *gradient, product);
    return product;
  };
}

}  // namespace

std::shared_ptr<MeanOperator> gradient_covariance(const std::vector<Tensor>& parameters,
                                                  const std::vector<LogitsTerm>& terms,
                                                  std::shared_ptr<GraphMemory> memory) {
  const auto gradient =
      std::make_shared<const ParameterVector>(mean_gradient(parameters, cross_entropy_of(terms)));
  std::vector<MeanOperator::Group> groups;
  for (const LogitsTerm& term : terms) {
    groups.push_back({[=] { return product_of(parameters, term, gradient); }, term.weight});
  }
  return std::make_shared<MeanOperator>(parameters, std::move(groups), std::move(memory));
}

}  // namespace switchyard

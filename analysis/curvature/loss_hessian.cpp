#include "analysis/curvature/loss_hessian.h"

#include "analysis/curvature/vectors.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"

namespace switchyard {
namespace {

std::vector<MeanOperator::Group> hessian_groups(const std::vector<Tensor>& parameters,
                                                const std::vector<LossTerm>& terms) {
  std::vector<MeanOperator::Group> groups;
  for (const LossTerm& term : terms) {
    const auto build = [parameters, loss = term.loss]() -> MeanOperator::Product {
      const auto hessian = std::make_shared<const HessianOperator>(loss(), parameters);
      return [hessian](std::span<const Tensor> v) { return hessian->apply(v); };
    };
    groups.push_back({build, term.weight});
  }
  return groups;
}

}  // namespace

LossHessian::LossHessian(std::vector<Tensor> parameters, std::vector<LossTerm> terms,
                         std::shared_ptr<GraphMemory> memory)
    : MeanOperator(parameters, hessian_groups(parameters, terms), std::move(memory)),
      terms_(std::move(terms)) {}

double LossHessian::loss() const {
  const NoGrad no_grad;
  double total = 0.0;
  for (const LossTerm& term : terms_) total += term.weight * term.loss().item();
  return total;
}

ParameterVector mean_gradient(std::span<const Tensor> parameters, std::span<const LossTerm> terms) {
  ParameterVector total = zeros_like(parameters);
  for (const LossTerm& term : terms) axpy(term.weight, grad(term.loss(), parameters), total);
  return total;
}

}  // namespace switchyard

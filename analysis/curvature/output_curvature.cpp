#include "analysis/curvature/output_curvature.h"

#include "analysis/curvature/image_gradients.h"
#include "engine/autograd/jacobian.h"
#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

/// Jv [n, C] -> the mean over the batch's n images of M_n (Jv)_n, as a cotangent of the logits.
using Middle = std::function<Tensor(const Tensor& jv)>;
/// Makes it of logits [n, C] without history and labels.
using MakeMiddle = Middle (*)(const Tensor& logits, const Tensor& labels);

std::shared_ptr<MeanOperator> between_jacobians(const std::vector<Tensor>& parameters,
                                                const std::vector<LogitsTerm>& terms,
                                                MakeMiddle make_middle,
                                                std::shared_ptr<GraphMemory> memory) {
  std::vector<MeanOperator::Group> groups;
  for (const LogitsTerm& term : terms) {
    const auto build = [parameters, term, make_middle]() -> MeanOperator::Product {
      const auto jacobian = std::make_shared<const JacobianOperator>(term.logits(), parameters);
      const Middle middle = make_middle(jacobian->output(), term.labels);
      return [jacobian, middle](std::span<const Tensor> v) {
        return jacobian->apply_transpose(middle(jacobian->apply(v)));
      };
    };
    groups.push_back({build, term.weight});
  }
  return std::make_shared<MeanOperator>(parameters, std::move(groups), std::move(memory));
}

Middle gauss_newton_middle(const Tensor& logits, const Tensor&) {
  const auto images = static_cast<double>(logits.size(0));
  // p ∘ (Jv - p·Jv): softmax's own derivative, which is symmetric.
  return
      [p = softmax(logits), images](const Tensor& jv) { return softmax_backward(jv, p) / images; };
}

Middle fisher_middle(const Tensor& logits, const Tensor& labels) {
  return [shares = gradient_shares(logits, labels)](const Tensor& jv) {
    return fisher_cotangent(shares, jv);
  };
}

}  // namespace

std::vector<LossTerm> cross_entropy_of(const std::vector<LogitsTerm>& terms) {
  std::vector<LossTerm> losses;
  for (const LogitsTerm& term : terms) {
    losses.push_back(
        {[logits = term.logits, labels = term.labels] { return cross_entropy(logits(), labels); },
         term.weight});
  }
  return losses;
}

std::shared_ptr<MeanOperator> gauss_newton(const std::vector<Tensor>& parameters,
                                           const std::vector<LogitsTerm>& terms,
                                           std::shared_ptr<GraphMemory> memory) {
  return between_jacobians(parameters, terms, gauss_newton_middle, std::move(memory));
}

std::shared_ptr<MeanOperator> empirical_fisher(const std::vector<Tensor>& parameters,
                                               const std::vector<LogitsTerm>& terms,
                                               std::shared_ptr<GraphMemory> memory) {
  return between_jacobians(parameters, terms, fisher_middle, std::move(memory));
}

}  // namespace switchyard

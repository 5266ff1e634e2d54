#include "analysis/operators.h"

#include <utility>

#include "analysis/vectors.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/memory.h"

namespace switchyard {

LossHessian::LossHessian(std::vector<Tensor> parameters, std::vector<LossTerm> terms,
                         LossHessianOptions options)
    : parameters_(std::move(parameters)),
      terms_(std::move(terms)),
      options_(options),
      graphs_(terms_.size()) {
  check(!parameters_.empty(), "[loss hessian] no parameters");
  check(!terms_.empty(), "[loss hessian] no loss terms");
}

double LossHessian::loss() const {
  const NoGrad no_grad;
  double total = 0.0;
  for (const LossTerm& term : terms_) total += term.weight * term.loss().item();
  return total;
}

std::vector<Tensor> LossHessian::apply(std::span<const Tensor> v) {
  std::vector<Tensor> total = zeros_like(parameters_);
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    axpy(terms_[i].weight, graph_of(i)->apply(v), total);
  }
  return total;
}

LossHessian::Graph LossHessian::graph_of(std::size_t term) {
  if (graphs_[term]) return graphs_[term];
  const std::size_t before = memory_stats(parameters_[0].device()).live;
  auto graph = std::make_shared<const HessianOperator>(terms_[term].loss(), parameters_);
  const std::size_t after = memory_stats(parameters_[0].device()).live;
  const std::size_t bytes = after > before ? after - before : 0;
  if (kept_bytes_ + bytes <= options_.graph_memory_bytes) {
    graphs_[term] = graph;
    kept_bytes_ += bytes;
  }
  return graph;
}

}  // namespace switchyard

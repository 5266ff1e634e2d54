#include "analysis/operators.h"

#include <algorithm>
#include <utility>

#include "analysis/vectors.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/memory.h"

namespace switchyard {

LossOperator::LossOperator(std::vector<Tensor> parameters, std::vector<LossTerm> terms,
                           LossOperatorOptions options)
    : parameters_(std::move(parameters)),
      terms_(std::move(terms)),
      options_(options),
      graphs_(terms_.size()) {
  check(!parameters_.empty(), "[loss operator] no parameters");
  check(!terms_.empty(), "[loss operator] no loss terms");
}

double LossOperator::loss() const {
  const NoGrad no_grad;
  double total = 0.0;
  for (const LossTerm& term : terms_) total += term.weight * term.loss().item();
  return total;
}

std::vector<Tensor> LossOperator::gradient() {
  std::vector<Tensor> total = zeros_like(parameters_);
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    const std::vector<Tensor> g =
        graphs_[i] ? graphs_[i]->gradient() : grad(terms_[i].loss(), parameters_);
    axpy(terms_[i].weight, g, total);
  }
  return total;
}

std::vector<Tensor> LossOperator::apply(std::span<const Tensor> v) {
  std::vector<Tensor> total = zeros_like(parameters_);
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    axpy(terms_[i].weight, graph_of(i)->apply(v), total);
  }
  return total;
}

LossOperator::Graph LossOperator::graph_of(std::size_t term) {
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

void LossOperator::parameters_changed() {
  std::fill(graphs_.begin(), graphs_.end(), nullptr);
  kept_bytes_ = 0;
}

std::size_t LossOperator::kept_graphs() const {
  return static_cast<std::size_t>(std::count_if(
      graphs_.begin(), graphs_.end(), [](const Graph& graph) { return graph != nullptr; }));
}

}  // namespace switchyard

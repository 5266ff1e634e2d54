#include "analysis/curvature/mean_operator.h"

#include <utility>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"
#include "engine/core/memory.h"

namespace switchyard {

MeanOperator::MeanOperator(ParameterVector like, std::vector<Group> groups,
                           std::shared_ptr<GraphMemory> memory)
    : like_(std::move(like)),
      groups_(std::move(groups)),
      memory_(std::move(memory)),
      graphs_(groups_.size()) {
  check(!like_.empty(), "[curvature] no parameters");
  check(!groups_.empty(), "[curvature] no images");
  if (memory_ == nullptr) memory_ = graph_memory_of_system(like_[0].device());
  for (const Group& group : groups_) weights_.push_back(group.weight);
}

MeanOperator::~MeanOperator() { memory_->release(kept_bytes_); }

Products MeanOperator::apply_block(std::span<const ParameterVector> v) {
  Products result;
  for (std::size_t j = 0; j < v.size(); ++j) result.vectors.push_back(zeros_like(like_));
  result.forms.assign(v.size(), std::vector<double>(groups_.size()));
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const Graph graph = graph_of(i);
    for (std::size_t j = 0; j < v.size(); ++j) {
      const ParameterVector product = (*graph)(v[j]);
      result.forms[j][i] = dot(v[j], product);
      axpy(weights_[i], product, result.vectors[j]);
    }
  }
  return result;
}

MeanOperator::Graph MeanOperator::graph_of(std::size_t group) {
  if (graphs_[group]) return graphs_[group];
  const std::size_t before = memory_stats(like_[0].device()).live;
  auto graph = std::make_shared<const Product>(groups_[group].build());
  const std::size_t after = memory_stats(like_[0].device()).live;
  const std::size_t bytes = after > before ? after - before : 0;
  if (memory_->keep(bytes)) {
    graphs_[group] = graph;
    kept_bytes_ += bytes;
  }
  return graph;
}

}  // namespace switchyard

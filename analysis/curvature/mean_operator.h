#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "analysis/curvature/graph_memory.h"
#include "analysis/curvature/operator.h"

namespace switchyard {

/// Σ_i weight_i · A_i over groups of images, such as the batches of a data set. Each group's map
/// holds a graph. Graphs are kept between calls while they fit into the memory; the others are
/// built for each call, one at a time, and serve all vectors of the block. Kept or built again, the
/// bits of the result are the same. Kept graphs belong to the parameter values of the first
/// product: products after a change of these mean nothing.
class MeanOperator : public SymmetricOperator {
 public:
  /// v ↦ A_i v; it owns the graph.
  using Product = std::function<ParameterVector(std::span<const Tensor> v)>;
  struct Group {
    std::function<Product()> build;
    double weight = 1.0;
  };

  /// `like` has the shapes of the vectors. `memory` null: graph_memory_of_system(). Error when
  /// either list is empty.
  MeanOperator(ParameterVector like, std::vector<Group> groups,
               std::shared_ptr<GraphMemory> memory = nullptr);
  ~MeanOperator() override;
  MeanOperator(const MeanOperator&) = delete;
  MeanOperator& operator=(const MeanOperator&) = delete;

  std::span<const Tensor> like() const override { return like_; }
  Products apply_block(std::span<const ParameterVector> v) override;
  std::span<const double> group_weights() const override { return weights_; }

 private:
  using Graph = std::shared_ptr<const Product>;
  Graph graph_of(std::size_t group);

  ParameterVector like_;
  std::vector<Group> groups_;
  std::vector<double> weights_;
  std::shared_ptr<GraphMemory> memory_;
  std::vector<Graph> graphs_;  // one per group; null where not kept
  std::size_t kept_bytes_ = 0;
};

}  // namespace switchyard

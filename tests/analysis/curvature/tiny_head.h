#pragma once

#include <Eigen/Core>
#include <memory>
#include <string>
#include <vector>

#include "analysis/curvature/output_curvature.h"
#include "models/head.h"

namespace switchyard {

/// A head of about 150 parameters on random features, small enough for its dense Hessian: features
/// [N, 6], 3 experts of width 4, 3 classes. In float32 it has the values of the float64 one,
/// rounded.
struct TinyHead {
  std::unique_ptr<Head> head;
  std::vector<Tensor> parameters;
  Tensor features;  // [N, 6]
  Tensor labels;    // [N] int64

  TinyHead(const std::string& name, std::int64_t rows, std::uint64_t seed = 1,
           DType dtype = DType::kFloat64);

  /// Logits of rows [begin, end).
  Tensor logits(std::int64_t begin, std::int64_t end) const;
  /// The rows cut at `borders` (ascending, ending with N) into one term each.
  std::vector<LogitsTerm> terms(const std::vector<std::int64_t>& borders) const;
  /// The mean loss at the parameters' present values.
  Tensor loss() const;

  /// The Hessian by fourth-order central differences of the gradient.
  Eigen::MatrixXd finite_difference_hessian();
  /// ∂logits[row, class] / ∂parameters, one row per (row, class), by one gradient each.
  Eigen::MatrixXd jacobian() const;
  /// softmax(logits), [N, 3].
  Eigen::MatrixXd probabilities() const;
};

}  // namespace switchyard

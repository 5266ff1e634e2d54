#pragma once

#include <vector>

#include "analysis/graph/problem.h"

namespace switchyard::graph {

/// What it takes to multiply the Hessian with one vector, by one of two roads. Nothing is recorded
/// beyond what the road itself needs.
struct ProductBill {
  PassBill cost = {};       ///< from the inputs on: the loss, the graph, the product
  double difference = 0.0;  ///< ‖its product - the first road's‖ / ‖the first road's‖
};

/// The two roads to H v: "reverse over reverse", the gradient of <gradient, v>, and "forward over
/// reverse", the Jacobian-vector product of the gradient, which jvp() takes by two more reverse
/// passes.
std::vector<ProductBill> compare_roads(const Problem& problem);

}  // namespace switchyard::graph

// Lab 7: the memory of a kept graph.

#include "docs/labs/7-kept-graph/lab.h"

#include "engine/switchyard.h"

namespace switchyard::labs {

double largest_eigenvalue(const Tensor& loss, const Tensor& x, int steps) {
  const Tensor gradient = grad(loss, std::vector{x}, {.create_graph = true})[0];
  Tensor v = Tensor::full(x.shape(), 1.0, x.dtype());
  double value = 0.0;
  for (int step = 0; step < steps; ++step) {
    v = v / sqrt(dot(v, v));
    // The fault is below: what does the product keep, and what is it kept for?
    const Tensor product = grad(dot(gradient, v), std::vector{x}, {.create_graph = true})[0];
    value = dot(v, product).item();
    v = product;
  }
  return value;
}

}  // namespace switchyard::labs

#include "analysis/graph/products.h"

#include <cmath>

#include "analysis/graph/recorder.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/jvp.h"

namespace switchyard::graph {
namespace {

using Tensors = std::vector<Tensor>;

template <class Road>
Tensors measured(const Problem& problem, const char* name, const Road& road, PassBill& bill) {
  const Tensors leaves = leaves_of(problem);
  Recorder recorder(leaves[0].device(), {.whole = 0, .cells = 0});
  recorder.begin_pass(name);
  Tensors product = road(leaves);
  bill = recorder.finish().passes[0];
  return product;
}

double relative_difference(const Tensors& a, const Tensors& b) {
  double off = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::vector<double> x = a[i].to_doubles();
    const std::vector<double> y = b[i].to_doubles();
    for (std::size_t j = 0; j < x.size(); ++j) {
      off += (x[j] - y[j]) * (x[j] - y[j]);
      size += y[j] * y[j];
    }
  }
  return size > 0.0 ? std::sqrt(off / size) : std::sqrt(off);
}

}  // namespace

std::vector<ProductBill> compare_roads(const Problem& problem) {
  std::vector<ProductBill> bills(2);
  const Tensors reverse = measured(
      problem, "reverse over reverse",
      [&](const Tensors& leaves) { return hvp(problem.loss(leaves), leaves, problem.direction); },
      bills[0].cost);
  const Tensors forward = measured(
      problem, "forward over reverse",
      [&](const Tensors& leaves) {
        const Tensors gradient = grad(problem.loss(leaves), leaves, {.create_graph = true});
        return jvp(gradient, leaves, problem.direction);
      },
      bills[1].cost);
  bills[1].difference = relative_difference(forward, reverse);
  return bills;
}

}  // namespace switchyard::graph

#include "engine/autograd/composed.h"

#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"

namespace switchyard {
namespace {

/// Returns the same value as a new graph variable, so that derivatives with respect to it do not
/// also travel along x's own history. It stays connected to x for higher orders.
Tensor as_argument(const Tensor& x, bool connected) {
  Tensor argument = x.detach();
  if (connected && x.requires_grad()) {
    return record("identity", argument, {x}, Saved::nothing(),
                  [](const Vjp& v) { return std::vector{v.cotangent()}; });
  }
  return argument.set_requires_grad();
}

}  // namespace

std::vector<Tensor> vjp_of_composed(const ComposedForm& form, std::span<const Tensor> inputs,
                                    std::span<const Tensor> cotangents) {
  const bool differentiable = grad_enabled();
  const GradMode mode(true);
  std::vector<Tensor> arguments;
  for (const Tensor& input : inputs) arguments.push_back(as_argument(input, differentiable));
  const std::vector<Tensor> outputs = form(arguments);
  check(outputs.size() == cotangents.size(), "[composed] {} outputs but {} cotangents",
        outputs.size(), cotangents.size());
  std::vector<Tensor> reached;
  std::vector<Tensor> flowing;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!cotangents[i].defined() || !outputs[i].requires_grad()) continue;
    reached.push_back(outputs[i]);
    flowing.push_back(cotangents[i]);
  }
  return grad(reached, arguments, flowing, {.create_graph = differentiable});
}

}  // namespace switchyard

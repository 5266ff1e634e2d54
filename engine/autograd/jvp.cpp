#include "engine/autograd/jvp.h"

#include "engine/autograd/grad.h"
#include "engine/autograd/jacobian.h"
#include "engine/autograd/node.h"

namespace switchyard {
namespace {

void check_tangents(std::span<const Tensor> inputs, std::span<const Tensor> tangents) {
  check(tangents.size() == inputs.size(), "[jvp] {} tangents for {} inputs", tangents.size(),
        inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_same_kind("jvp", {&inputs[i], &tangents[i]});
    check(tangents[i].shape() == inputs[i].shape(), "[jvp] tangent {} has shape {}, its input {}",
          i, tangents[i].shape(), inputs[i].shape());
  }
}

}  // namespace

std::vector<Tensor> jvp(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                        std::span<const Tensor> tangents) {
  check_tangents(inputs, tangents);
  std::vector<Tensor> reached, variables;  // outputs with history, and a u for each
  for (const Tensor& output : outputs) {
    if (!output.requires_grad()) continue;
    reached.push_back(output);
    variables.push_back(Tensor::full(output.shape(), 1.0, output.dtype(), output.device()));
    variables.back().set_requires_grad();
  }
  std::vector<Tensor> found;
  if (!reached.empty()) {
    found = product_from_transpose(grad(reached, inputs, variables, {.create_graph = true}),
                                   variables, tangents);
  }
  std::vector<Tensor> products;
  std::size_t next = 0;
  for (const Tensor& output : outputs) {
    products.push_back(output.requires_grad() ? found[next++] : zeros_like(output));
  }
  return products;
}

}  // namespace switchyard

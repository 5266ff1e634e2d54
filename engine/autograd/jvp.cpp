#include "engine/autograd/jvp.h"

#include "engine/autograd/grad.h"
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

/// Those of `tensors` that have history, and what belongs to them.
struct Reached {
  std::vector<Tensor> tensors, partners;

  Reached(std::span<const Tensor> all, std::span<const Tensor> their_partners) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].requires_grad()) continue;
      tensors.push_back(all[i]);
      partners.push_back(their_partners[i].detach());
    }
  }
};

}  // namespace

std::vector<Tensor> jvp(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                        std::span<const Tensor> tangents) {
  check_tangents(inputs, tangents);
  std::vector<Tensor> cotangents;  // the variables u, whose values do not matter
  for (const Tensor& output : outputs) {
    cotangents.push_back(Tensor::full(output.shape(), 1.0, output.dtype(), output.device()));
  }
  std::vector<Tensor> products;
  for (const Tensor& cotangent : cotangents) products.push_back(zeros_like(cotangent));
  const Reached forward(outputs, cotangents);
  if (forward.tensors.empty()) return products;
  std::vector<Tensor> variables;
  for (const Tensor& u : forward.partners) variables.push_back(u.detach().set_requires_grad());
  const std::vector<Tensor> transposed =
      grad(forward.tensors, inputs, variables, {.create_graph = true});
  const Reached back(transposed, tangents);
  if (back.tensors.empty()) return products;
  const std::vector<Tensor> found =
      grad(back.tensors, variables, back.partners, {.retain_graph = true});
  std::size_t next = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].requires_grad()) products[i] = found[next++];
  }
  return products;
}

}  // namespace switchyard

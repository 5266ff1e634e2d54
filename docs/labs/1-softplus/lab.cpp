// Lab 1: the rule of softplus.

#include "docs/labs/1-softplus/lab.h"

#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor my_softplus(const Tensor& x) {
  const Tensor y = softplus(x.detach());  // the value is right
  return record("my_softplus", y, {x}, Saved::nothing(), [](const Vjp& v) -> std::vector<Tensor> {
    return {v.cotangent()};  // the gap: what does x get of what arrived for y?
  });
}

}  // namespace switchyard::labs

// Lab 5, solved: the node keeps its outputs without history, and hands them to the rule with it.

#include "docs/labs/5-reference-cycle/lab.h"
#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor my_tanh(const Tensor& x) {
  return record("my_tanh", tanh(x.detach()), {x}, Saved::output(),
                [](const Vjp& v) -> std::vector<Tensor> {
                  return {v.cotangent() * affine(square(v.output()), -1.0, 1.0)};
                });
}

}  // namespace switchyard::labs

// Lab 5: a reference cycle.

#include "docs/labs/5-reference-cycle/lab.h"

#include <memory>

#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor my_tanh(const Tensor& x) {
  const auto own = std::make_shared<Tensor>();  // so that the rule finds its output later
  Tensor y = record("my_tanh", tanh(x.detach()), {x}, Saved::nothing(),
                    [own](const Vjp& v) -> std::vector<Tensor> {
                      return {v.cotangent() * affine(square(*own), -1.0, 1.0)};
                    });
  *own = y;  // the fault: who owns whom now?
  return y;
}

}  // namespace switchyard::labs

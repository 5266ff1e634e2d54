// Lab 6, solved: a mask is a choice and no quotient. It is linear in the cotangent and has no
// derivative by x.

#include "docs/labs/6-relu-at-zero/lab.h"
#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor my_relu(const Tensor& x) {
  return record(
      "my_relu", relu(x.detach()), {x}, Saved::output(),
      [](const Vjp& v) -> std::vector<Tensor> { return {relu_grad(v.cotangent(), v.output())}; });
}

}  // namespace switchyard::labs

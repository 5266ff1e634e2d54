// Lab 6: the second order of ReLU at 0.

#include "docs/labs/6-relu-at-zero/lab.h"

#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor my_relu(const Tensor& x) {
  return record("my_relu", relu(x.detach()), {x}, Saved::all_inputs().and_output(),
                [](const Vjp& v) -> std::vector<Tensor> {
                  // The fault: y / x is 1 above 0 and 0 below. And at 0?
                  return {v.cotangent() * (v.output() / v.input(0))};
                });
}

}  // namespace switchyard::labs

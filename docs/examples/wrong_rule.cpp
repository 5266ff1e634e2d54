// An operation of one's own with a wrong rule: gradcheck() sees that something is wrong, explain()
// what.

#include <fmt/format.h>

#include <cmath>

#include "engine/switchyard.h"

using namespace switchyard;

namespace {

/// y = √(1 + x²). The first derivative is right. The rule wraps it in detach(), so that the second
/// one forgets how y depends on x.
Tensor soft_abs(const Tensor& x) {
  const Tensor plain = x.detach();
  return record("soft_abs", sqrt(square(plain) + 1.0), {x}, Saved::all_inputs().and_output(),
                [](const Vjp& v) -> std::vector<Tensor> {
                  return {v.cotangent() * (v.input(0) / v.output().detach())};
                });
}

}  // namespace

int main() {
  const TensorFunction f = [](std::span<const Tensor> in) { return exp(soft_abs(tanh(in[0]))); };
  const std::vector<Tensor> x = {Tensor::from<double>({3}, {0.3, -0.8, 1.2})};
  fmt::print("order 1: error {:.0e}\n", gradcheck(f, x, {.order = 1}).error);
  fmt::print("order 2: error {:.0e}\n", gradcheck(f, x, {.order = 2}).error);
  const auto wrong = explain(f, x);
  fmt::print("{}\n", wrong ? text_of(*wrong) : "every rule is right");
  return wrong && wrong->operation == "soft_abs" && wrong->order == 2 ? 0 : 1;
}

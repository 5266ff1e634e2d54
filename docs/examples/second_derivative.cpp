// A gradient of a gradient: Σ x³ has the gradient 3x² and the second derivative 6x.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/switchyard.h"

using namespace switchyard;

int main() {
  const Tensor x = Tensor::from<double>({3}, {1.0, 2.0, -3.0}).set_requires_grad();
  const Tensor y = sum(x * x * x);  // Σ x³

  // create_graph records how the gradient was computed, so that it has a derivative of its own.
  const Tensor gradient = grad(y, std::vector{x}, {.create_graph = true})[0];  // 3x²
  const Tensor second =
      grad(sum(gradient), std::vector{x}, {.retain_graph = true})[0];  // 6x; used again below

  // The same second derivative as a product of the Hessian with a vector, here of ones.
  const std::vector<Tensor> ones = {Tensor::from<double>({3}, {1.0, 1.0, 1.0})};
  const Tensor product = HessianOperator(y, {x}).apply(ones)[0];

  fmt::print("x          {}\n", x.to_doubles());
  fmt::print("gradient   {}\n", gradient.to_doubles());
  fmt::print("second     {}\n", second.to_doubles());
  fmt::print("H·(1,1,1)  {}\n", product.to_doubles());
  const bool right = gradient.to_doubles() == std::vector{3.0, 12.0, 27.0} &&
                     second.to_doubles() == std::vector{6.0, 12.0, -18.0} &&
                     product.to_doubles() == second.to_doubles();
  return right ? 0 : 1;
}

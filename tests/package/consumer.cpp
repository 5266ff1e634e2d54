// A program outside the tree: the loss Σ x³, its gradient 3x² and a Hessian-vector product 6x·v.
#include <engine/switchyard.h>

#include <cstdio>
#include <vector>

using switchyard::Tensor;

int main() {
  const Tensor x = Tensor::from<double>({3}, {1.0, 2.0, -3.0}).set_requires_grad();
  const std::vector<Tensor> v = {Tensor::from<double>({3}, {1.0, 0.5, 2.0})};
  const switchyard::HessianOperator hessian(switchyard::sum(x * x * x), {x});
  const std::vector<double> g = hessian.gradient()[0].to_doubles();
  const std::vector<double> hv = hessian.apply(v)[0].to_doubles();
  std::printf("gradient %g %g %g, Hessian-vector product %g %g %g\n", g[0], g[1], g[2], hv[0],
              hv[1], hv[2]);
  const bool right = g == std::vector{3.0, 12.0, 27.0} && hv == std::vector{6.0, 6.0, -36.0};
  return right ? 0 : 1;
}

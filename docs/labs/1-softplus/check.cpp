// Both derivatives of my_softplus() against finite differences, and where eˣ is too large a number.

#include "docs/labs/check.h"
#include "docs/labs/1-softplus/lab.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

constexpr double kTolerance = 1e-7;

void check_lab(labs::Report& report) {
  const TensorFunction f = [](std::span<const Tensor> in) { return labs::my_softplus(in[0]); };
  const std::vector<Tensor> x = {Tensor::from<double>({4}, {-2.0, -0.5, 0.25, 3.0})};
  for (const int order : {1, 2}) {
    const double error = gradcheck(f, x, {.order = order}).error;
    report.expect(error <= kTolerance, fmt::format("derivative of order {}", order),
                  fmt::format("off by {:.0e}", error));
  }
  const auto wrong = explain(f, x);
  report.expect(!wrong, "every rule by itself", wrong ? text_of(*wrong) : "");
  const Tensor far = Tensor::from<double>({2}, {-800.0, 800.0}).set_requires_grad();
  const std::vector<double> slope =
      grad(sum(labs::my_softplus(far)), std::vector{far})[0].to_doubles();
  report.expect(slope == std::vector{0.0, 1.0}, "derivative at -800 and 800",
                fmt::format("{}, expected [0, 1]", labs::text_of(slope)));
}

}  // namespace

int main() { return labs::run(check_lab); }

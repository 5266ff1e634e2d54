// A fused rms_norm: one loop forward, one loop backward, and for every further order its composed
// form. The loops are right; the check compares the composed form with them, value, gradient and
// second derivative.

#include "docs/labs/4-composed-form/lab.h"

#include "docs/labs/check.h"
#include "engine/autograd/composed.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

using Tensors = std::vector<Tensor>;

double inverse_rms(const double* row, std::int64_t width) {
  double squares = 0.0;
  for (std::int64_t j = 0; j < width; ++j) squares += row[j] * row[j];
  return 1.0 / std::sqrt(squares / static_cast<double>(width) + labs::kEpsilon);
}

/// The gradient of rms_norm in one loop. Its own rule is the derivative of the composed form's.
Tensor rms_norm_backward(const Tensor& gy, const Tensor& x) {
  const std::int64_t width = x.size(1);
  Tensor gx = empty_like(x);
  double* const to = gx.data<double>();
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const double* const row = x.data<double>() + i * width;
    const double* const g = gy.data<double>() + i * width;
    const double r = inverse_rms(row, width);
    double along = 0.0;
    for (std::int64_t j = 0; j < width; ++j) along += g[j] * row[j];
    along *= r * r / static_cast<double>(width);
    for (std::int64_t j = 0; j < width; ++j) to[i * width + j] = r * (g[j] - along * row[j]);
  }
  const ComposedForm gradient = [](std::span<const Tensor> in) {
    return vjp_of_composed(
        [](std::span<const Tensor> point) { return Tensors{labs::rms_norm_composed(point[0])}; },
        in.subspan(1), in.first(1));
  };
  return record("rms_norm_backward", gx, {gy, x}, Saved::all_inputs(), [gradient](const Vjp& v) {
    return vjp_of_composed(gradient, Tensors{v.input(0), v.input(1)}, Tensors{v.cotangent()});
  });
}

Tensor rms_norm(const Tensor& x) {
  const std::int64_t width = x.size(1);
  Tensor y = empty_like(x);
  double* const to = y.data<double>();
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const double* const row = x.data<double>() + i * width;
    const double r = inverse_rms(row, width);
    for (std::int64_t j = 0; j < width; ++j) to[i * width + j] = r * row[j];
  }
  return record("rms_norm", y, {x}, Saved::all_inputs(), [](const Vjp& v) -> Tensors {
    return {rms_norm_backward(v.cotangent(), v.input(0))};
  });
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_doubles();
  const std::vector<double> y = b.to_doubles();
  double most = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]));
  return most;
}

void check_lab(labs::Report& report) {
  constexpr double kTolerance = 1e-12;
  const Tensor x = random_normal({2, 4}, DType::kFloat64, {.seed = 1}).set_requires_grad();
  const Tensor c = random_normal({2, 4}, DType::kFloat64, {.seed = 2});
  const Tensor fused = rms_norm(x);
  const Tensor composed = labs::rms_norm_composed(x);
  const double values = largest_difference(fused, composed);
  report.expect(values <= kTolerance, "the composed form has the fused one's values",
                fmt::format("they differ by {:.3f}", values));
  const double gradients =
      largest_difference(grad(dot(fused, c), Tensors{x})[0], grad(dot(composed, c), Tensors{x})[0]);
  report.expect(gradients <= kTolerance, "and its gradient",
                fmt::format("they differ by {:.3f}", gradients));
  const TensorFunction f = [](std::span<const Tensor> in) { return rms_norm(in[0]); };
  for (const int order : {1, 2}) {
    const double error = gradcheck(f, {x}, {.order = order}).error;
    report.expect(error <= 1e-7, fmt::format("derivative of order {} of the fused form", order),
                  fmt::format("off by {:.0e}", error));
  }
}

}  // namespace

int main() { return labs::run(check_lab); }

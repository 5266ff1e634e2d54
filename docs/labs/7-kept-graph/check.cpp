// The eigenvalue that largest_eigenvalue() finds, and the memory that it takes for it.

#include "docs/labs/7-kept-graph/lab.h"

#include "docs/labs/check.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

constexpr std::int64_t kSize = 64;

/// Σ softplus(A x): its gradient is nowhere zero, and its Hessian depends on x.
Tensor loss_at(const Tensor& x) {
  const Tensor a = random_normal({kSize, kSize}, DType::kFloat64, {.seed = 3});
  return sum(softplus(matmul(a, reshape(x, {kSize, 1}))));
}

/// The same steps with a HessianOperator, which keeps nothing else.
double reference(const Tensor& loss, const Tensor& x, int steps) {
  const HessianOperator hessian(loss, {x});
  Tensor v = Tensor::full(x.shape(), 1.0, x.dtype());
  double value = 0.0;
  for (int step = 0; step < steps; ++step) {
    v = v / std::sqrt(dot(v, v).item());
    const Tensor product = hessian.apply(std::vector{v})[0];
    value = dot(v, product).item();
    v = product;
  }
  return value;
}

struct Outcome {
  double value = 0.0;
  std::size_t peak = 0;  ///< bytes beyond those that were there before
};

Outcome run_lab(const Tensor& loss, const Tensor& x, int steps) {
  const std::size_t before = memory_stats(Device::kCpu).live;
  reset_peak_memory(Device::kCpu);
  const double value = labs::largest_eigenvalue(loss, x, steps);
  return {value, memory_stats(Device::kCpu).peak - before};
}

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void check_lab(labs::Report& report) {
  constexpr int kFew = 4;
  constexpr int kMany = 8;
  const Tensor x = random_normal({kSize}, DType::kFloat64, {.seed = 4}).set_requires_grad();
  const Tensor loss = loss_at(x);
  const double expected = reference(loss, x, kMany);
  run_lab(loss, x, kFew);  // the first run also takes what stays for good
  const Outcome few = run_lab(loss, x, kFew);
  const Outcome many = run_lab(loss, x, kMany);
  report.expect(std::abs(many.value - expected) <= 1e-9 * std::abs(expected), "the eigenvalue",
                fmt::format("{:.4g}, expected {:.4g}", many.value, expected));
  report.expect(
      many.peak <= few.peak, fmt::format("{} steps take no more memory than {}", kMany, kFew),
      fmt::format("{:.1f} MiB and {:.1f} MiB", mebibytes(many.peak), mebibytes(few.peak)));
}

}  // namespace

int main() { return labs::run(check_lab); }

// Both derivatives of my_tanh(), and what is left of graphs that nobody holds any more.

#include "docs/labs/5-reference-cycle/lab.h"

#include "docs/labs/check.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

std::size_t live_bytes() { return memory_stats(Device::kCpu).live; }

void check_lab(labs::Report& report) {
  const TensorFunction f = [](std::span<const Tensor> in) { return labs::my_tanh(in[0]); };
  const std::vector<Tensor> point = {Tensor::from<double>({3}, {-1.5, 0.25, 2.0})};
  for (const int order : {1, 2}) {
    const double error = gradcheck(f, point, {.order = order}).error;
    report.expect(error <= 1e-7, fmt::format("derivative of order {}", order),
                  fmt::format("off by {:.0e}", error));
  }
  constexpr int kGraphs = 100;
  const Tensor x = Tensor::full({1024}, 0.5, DType::kFloat64).set_requires_grad();
  const std::size_t before = live_bytes();
  for (int i = 0; i < kGraphs; ++i) labs::my_tanh(x);
  const std::size_t left = live_bytes() - before;
  report.expect(left == 0, fmt::format("{} graphs that were dropped are gone", kGraphs),
                fmt::format("{} bytes of each are still held", left / kGraphs));
}

}  // namespace

int main() { return labs::run(check_lab); }

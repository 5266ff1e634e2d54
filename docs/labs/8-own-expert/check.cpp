// my_experts() in a top-2 MoE layer: against a plain loop over tokens, and both derivatives.

#include "docs/labs/8-own-expert/lab.h"

#include "docs/labs/check.h"
#include "engine/ops/gate.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

constexpr std::int64_t kTokens = 3, kExperts = 4, kWidth = 3, kHidden = 2, kTopK = 2;

/// x [T, D], the gate's weight [E, D], then the experts' weights.
std::vector<Tensor> inputs() {
  std::vector<Tensor> all = {};
  std::uint64_t seed = 0;
  for (const Shape& shape :
       {Shape{kTokens, kWidth}, Shape{kExperts, kWidth}, Shape{kExperts, kHidden, kWidth},
        Shape{kExperts, kHidden, kWidth}, Shape{kExperts, kWidth, kHidden}}) {
    all.push_back(random_normal(shape, DType::kFloat64, {.seed = ++seed}));
  }
  return all;
}

RoutedChoice routed(std::span<const Tensor> in) {
  return route(matmul(in[0], in[1], false, true), kTopK, GateOrder::kTopKSoftmax);
}

Tensor layer(std::span<const Tensor> in) {
  const RoutedChoice gate = routed(in);
  const Tensor rows = dispatch(in[0], gate.routing);
  const Tensor outputs = labs::my_experts(rows, {in[2], in[3], in[4]}, gate.routing.offsets);
  return combine(outputs, gate.choice.weights, gate.routing);
}

/// Row `h` of expert `e` of w [E, rows, columns] times v.
double product(const Tensor& w, std::int64_t e, std::int64_t h, const std::vector<double>& v) {
  const double* const row = w.data<double>() + (e * w.size(1) + h) * w.size(2);
  double sum = 0.0;
  for (std::size_t j = 0; j < v.size(); ++j) sum += row[j] * v[j];
  return sum;
}

/// What one expert makes of one token, in plain loops.
std::vector<double> expert(std::span<const Tensor> in, std::int64_t e,
                           const std::vector<double>& x) {
  std::vector<double> hidden, y;
  for (std::int64_t h = 0; h < kHidden; ++h) {
    const double g = product(in[2], e, h, x);
    hidden.push_back(g / (1.0 + std::exp(-g)) * product(in[3], e, h, x));
  }
  for (std::int64_t d = 0; d < kWidth; ++d) y.push_back(product(in[4], e, d, hidden));
  return y;
}

std::vector<double> plain_layer(std::span<const Tensor> in) {
  const Choice choice = routed(in).choice;
  std::vector<double> all;
  for (std::int64_t t = 0; t < kTokens; ++t) {
    const double* const row = in[0].data<double>() + t * kWidth;
    std::vector<double> sum(kWidth, 0.0);
    for (std::int64_t j = t * kTopK; j < (t + 1) * kTopK; ++j) {
      const auto y = expert(in, choice.indices.data<std::int64_t>()[j], {row, row + kWidth});
      const double weight = choice.weights.data<double>()[j];
      for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * y[d];
    }
    all.insert(all.end(), sum.begin(), sum.end());
  }
  return all;
}

void check_lab(labs::Report& report) {
  const std::vector<Tensor> in = inputs();
  const std::vector<double> got = layer(in).to_doubles();
  const std::vector<double> expected = plain_layer(in);
  std::size_t worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::abs(got[i] - expected[i]) > std::abs(got[worst] - expected[worst])) worst = i;
  }
  report.expect(std::abs(got[worst] - expected[worst]) <= 1e-12, "the layer's values",
                fmt::format("token {}, number {}: {:.4f}, expected {:.4f}", worst / kWidth,
                            worst % kWidth, got[worst], expected[worst]));
  for (const int order : {1, 2}) {
    const GradcheckResult result = gradcheck(layer, in, {.order = order});
    report.expect(result.error <= 1e-7, fmt::format("derivative of order {}", order),
                  fmt::format("off by {:.0e}, {}", result.error, result.worst));
  }
}

}  // namespace

int main() { return labs::run(check_lab); }

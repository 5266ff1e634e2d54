#include "models/gate_output.h"

#include <limits>

#include "engine/autograd/node.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/shape.h"

namespace switchyard {

std::vector<std::int64_t> expert_loads(const Tensor& offsets) {
  const Tensor host = offsets.to(Device::kCpu);
  const auto begins = host.span<std::int64_t>();
  std::vector<std::int64_t> loads;
  for (std::size_t e = 0; e + 1 < begins.size(); ++e) loads.push_back(begins[e + 1] - begins[e]);
  return loads;
}

Tensor gate_entropy(const Tensor& probabilities) {
  const NoGrad no_grad;
  // 0 ln 0 is 0: the least normal number has a finite logarithm.
  const double least = std::numeric_limits<float>::min();
  const Tensor logarithms = log(clamp(probabilities, least, 1.0));
  return sum(probabilities * logarithms, {1}) * -1.0;
}

Tensor choice_margin(const Tensor& logits, std::int64_t k) {
  const NoGrad no_grad;
  check(k >= 1 && k < logits.size(1), "[choice_margin] k is {}, expected 1 to {}, experts less one",
        k, logits.size(1) - 1);
  const Tensor best = gather(logits, top_k(logits, k + 1), Indices::kTrusted);  // [N, k+1]
  const Tensor gap = slice_columns(best, k - 1, k) - slice_columns(best, k, k + 1);
  return reshape(gap, {logits.size(0)});
}

}  // namespace switchyard

#include <algorithm>

#include "engine/ops/routing.h"
#include "engine/ops/shape.h"

namespace switchyard {

Routing choose_tokens(const Tensor& scores, std::int64_t per_expert) {
  check(scores.rank() == 2 && scores.size(1) >= 1, "[choose_tokens] needs scores [T, E], got {}",
        scores.shape());
  const std::int64_t tokens = scores.size(0);
  const std::int64_t experts = scores.size(1);
  check(per_expert >= 0 && per_expert <= tokens,
        "[choose_tokens] an expert cannot take {} of {} tokens", per_expert, tokens);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < tokens * experts; ++i) indices.push_back(i % experts);
  std::vector<std::int64_t> offsets = {0};
  std::vector<std::int64_t> permutation;
  std::vector<std::int64_t> inverse(indices.size(), -1);
  if (per_expert > 0) {
    const Tensor best = top_k(transpose(scores.detach()), per_expert).to(Device::kCpu);  // [E, n]
    const auto chosen = best.span<std::int64_t>();
    for (std::int64_t e = 0; e < experts; ++e) {
      const auto mine = chosen.subspan(static_cast<std::size_t>(e * per_expert),
                                       static_cast<std::size_t>(per_expert));
      std::vector<std::int64_t> ascending(mine.begin(), mine.end());
      std::sort(ascending.begin(), ascending.end());
      for (const std::int64_t token : ascending) {
        const std::int64_t assignment = token * experts + e;
        inverse[static_cast<std::size_t>(assignment)] =
            static_cast<std::int64_t>(permutation.size());
        permutation.push_back(assignment);
      }
    }
  }
  for (std::int64_t e = 1; e <= experts; ++e) offsets.push_back(e * per_expert);
  const Device device = scores.device();
  const auto slots = static_cast<std::int64_t>(permutation.size());
  Routing routing;
  routing.tokens = tokens;
  routing.experts = experts;
  routing.k = experts;
  routing.dropped = tokens * experts - slots;
  routing.indices = Tensor::from({tokens, experts}, indices, device);
  routing.offsets = Tensor::from({experts + 1}, offsets, device);
  routing.permutation = Tensor::from({slots}, permutation, device);
  routing.inverse = Tensor::from({tokens, experts}, inverse, device);
  return sealed(std::move(routing));
}

}  // namespace switchyard

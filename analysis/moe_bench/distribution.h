#pragma once

#include "analysis/moe_bench/workload.h"
#include "engine/core/tensor.h"

namespace switchyard::moe_bench {

/// Names one draw: the same (workload, seed, step) gives the same numbers everywhere.
struct Draw {
  std::uint64_t seed = 1;
  std::uint64_t step = 0;
};

/// Gate logits [T, E] float32 on the host whose k largest a row spread over the experts as the
/// workload's distribution says. Popularity p of the experts becomes log p + a Gumbel number, whose
/// k largest are k draws without replacement in proportion to p (Kool et al., 2019, "Stochastic
/// beams and where to find them"). Errors: kTrace, whose choices come from a file.
Tensor draw_logits(const Workload& workload, Draw draw);

/// Logits [T, E] float32 whose k largest are `choices` [T, k] (int64, distinct within a row) in
/// their order.
Tensor logits_of_choices(const Tensor& choices, std::int64_t experts);

}  // namespace switchyard::moe_bench

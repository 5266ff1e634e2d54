#pragma once

#include <cstdint>
#include <span>

namespace switchyard::nn {

// Learning rates as pure functions: a resumed run needs no scheduler state.

/// base · factor^(number of milestones <= finished_epochs): the rate for the epoch that follows
/// `finished_epochs` finished ones (0 for the first), as torch.optim.lr_scheduler.MultiStepLR.
double multi_step_rate(double base, std::span<const std::int64_t> milestones, double factor,
                       std::int64_t finished_epochs);

enum class Anneal { kCosine, kLinear };

struct OneCycle {
  double peak = 0.1;
  std::int64_t steps = 1;        ///< of the whole run
  double warmup_fraction = 0.3;  ///< of the steps, in (0, 1)
  double start_divisor = 25.0;   ///< the first step's rate is peak / start_divisor
  double final_divisor = 1e4;    ///< the last step's rate is peak / start_divisor / final_divisor
  Anneal anneal = Anneal::kCosine;
};

/// Rate of step `step` in [0, steps): from the start rate up to the peak at step
/// warmup_fraction·steps - 1 and down to the final rate at the last step, each along a half cosine
/// or a line, as torch.optim.lr_scheduler.OneCycleLR with two phases (Smith & Topin, 2018). Error
/// when a field or the step is out of range.
double one_cycle_rate(const OneCycle& cycle, std::int64_t step);

}  // namespace switchyard::nn

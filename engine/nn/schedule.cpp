#include "engine/nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"

namespace switchyard::nn {
namespace {

double anneal(Anneal shape, double from, double to, double progress) {
  if (shape == Anneal::kLinear) return from + (to - from) * progress;
  return to + (from - to) / 2.0 * (1.0 + std::cos(std::numbers::pi * progress));
}

void check_cycle(const OneCycle& cycle) {
  check(cycle.peak > 0.0, "[one_cycle] peak must be positive, got {}", cycle.peak);
  check(cycle.steps >= 1, "[one_cycle] steps must be at least 1, got {}", cycle.steps);
  check(cycle.warmup_fraction > 0.0 && cycle.warmup_fraction < 1.0,
        "[one_cycle] warmup_fraction must be in (0, 1), got {}", cycle.warmup_fraction);
  check(cycle.start_divisor >= 1.0 && cycle.final_divisor >= 1.0,
        "[one_cycle] divisors must be at least 1, got {} and {}", cycle.start_divisor,
        cycle.final_divisor);
}

}  // namespace

double multi_step_rate(double base, std::span<const std::int64_t> milestones, double factor,
                       std::int64_t finished_epochs) {
  const auto passed = std::count_if(milestones.begin(), milestones.end(),
                                    [&](std::int64_t m) { return m <= finished_epochs; });
  return base * std::pow(factor, static_cast<double>(passed));
}

double one_cycle_rate(const OneCycle& cycle, std::int64_t step) {
  check_cycle(cycle);
  check(step >= 0 && step < cycle.steps, "[one_cycle] step {} is outside [0, {})", step,
        cycle.steps);
  const double start = cycle.peak / cycle.start_divisor;
  const double last = start / cycle.final_divisor;
  const auto steps = static_cast<double>(cycle.steps);
  const auto now = static_cast<double>(step);
  const double top = cycle.warmup_fraction * steps - 1.0;  // may fall between two steps
  if (now <= top) return anneal(cycle.anneal, start, cycle.peak, top > 0.0 ? now / top : 1.0);
  return anneal(cycle.anneal, cycle.peak, last, (now - top) / (steps - 1.0 - top));
}

}  // namespace switchyard::nn

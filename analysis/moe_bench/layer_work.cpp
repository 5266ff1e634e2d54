#include "analysis/moe_bench/layer_work.h"

namespace switchyard::moe_bench {
namespace {

/// Numbers of one expert's matrices and biases.
double expert_numbers(const Workload& w) {
  const std::int64_t biases = w.biases ? w.wide() + w.out : 0;
  return static_cast<double>(w.wide() * w.width + w.hidden * w.out + biases);
}

}  // namespace

kernels::Work layer_work(const LayerProblem& p, Order order) {
  const Workload& w = p.workload;
  const auto size = static_cast<double>(size_of(p.dtype));
  const double active = static_cast<double>(p.active) * expert_numbers(w);
  const double all = static_cast<double>(w.experts) * expert_numbers(w);
  const auto tokens = static_cast<double>(w.tokens);
  const double tokens_in = tokens * static_cast<double>(w.width + w.k);
  const double tokens_out = tokens * static_cast<double>(w.out);
  const double kept = static_cast<double>(w.slots()) * static_cast<double>(w.wide());
  const double indices = 8.0 * static_cast<double>(w.slots() + w.experts + 1);
  const double flops = 2.0 * static_cast<double>(w.slots()) *
                       static_cast<double>(w.width * w.wide() + w.hidden * w.out);
  const double there = size * (tokens_in + tokens_out + active) + indices;
  const double back = size * (2.0 * tokens_in + tokens_out + kept + active + all) + indices;
  switch (order) {
    case Order::kForward:
      return {.bytes = there, .flops = flops};
    case Order::kBackward:
      return {.bytes = back, .flops = 2.0 * flops};
    case Order::kTraining:
      return {.bytes = there + size * kept + back, .flops = 3.0 * flops};
    case Order::kHvp:
      return {.bytes =
                  size * (2.0 * (tokens_in + active) + tokens_out + tokens_in + all) + indices};
  }
  return {};
}

double idle_expert_bytes(const LayerProblem& p) {
  return static_cast<double>(size_of(p.dtype)) *
         static_cast<double>(p.workload.experts - p.active) * expert_numbers(p.workload);
}

}  // namespace switchyard::moe_bench

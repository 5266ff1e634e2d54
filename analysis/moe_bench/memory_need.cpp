#include "analysis/moe_bench/memory_need.h"

#include "analysis/moe_bench/rates.h"
#include "analysis/process_memory.h"
#include "engine/core/check.h"

namespace switchyard::moe_bench {
namespace {

/// Numbers in arrays of the layer, as doubles so that nothing overflows.
struct Numbers {
  double parameters, operands, results, between;
};

Numbers count(const Workload& w, Order order) {
  const auto d = [](std::int64_t n) { return static_cast<double>(n); };
  const double biases = w.biases ? d(w.wide() + w.out) : 0.0;
  const double parameters =
      d(w.experts) * (d(w.wide()) * d(w.width) + d(w.hidden) * d(w.out) + biases);
  const double tokens = d(w.tokens) * (d(w.width) + d(w.out) + 2.0 * d(w.k) + d(w.experts));
  const double slots = d(w.slots()) * (d(w.width) + d(w.wide()) + d(w.hidden) + d(w.out));
  const bool back = order != Order::kForward;
  const double turns = order == Order::kHvp ? 6.0 : back ? 2.0 : 1.0;
  return {.parameters = parameters,
          .operands = parameters + tokens,
          .results = (back ? parameters + tokens : tokens) +
                     (order == Order::kHvp ? 3.0 : 0.0) * parameters,
          .between = turns * slots};
}

std::string gib(double bytes) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  return fmt::format("{:.{}f} GiB", bytes / kGiB, bytes < 10.0 * kGiB ? 2 : 0);
}

}  // namespace

MemoryNeed memory_need(const Workload& workload, Order order, DType dtype) {
  const Numbers n = count(workload, order);
  const auto size = static_cast<double>(size_of(dtype));
  const double indices = 8.0 * 4.0 * static_cast<double>(workload.slots());
  // Drawing the matrices and comparing their gradients each take two copies for a while.
  const double copies = 16.0 * n.parameters;
  return {
      .parameters = size * n.parameters,
      .device = size * (n.operands + n.results + n.between) + indices + rate_bytes(workload, dtype),
      .host = 8.0 * (n.operands + n.results + n.between) + copies};
}

void check_memory(const Workload& workload, Order order, DType dtype, Device device, double limit) {
  const MemoryNeed need = memory_need(workload, order, dtype);
  const double bytes = need.host + (device == Device::kCuda ? 0.0 : need.device);
  const double there = limit > 0.0 ? limit : available_bytes();
  check(
      there <= 0.0 || bytes <= there,
      "needs about {} ({} of parameters in {}, {} for the float64 reference); {} {}. Fewer "
      "--tokens or --experts fit.",
      [&] { return gib(bytes); }, [&] { return gib(need.parameters); }, name(dtype),
      [&] { return gib(need.host); }, limit > 0.0 ? "--memory-limit allows" : "this machine has",
      [&] { return gib(there); });
}

}  // namespace switchyard::moe_bench

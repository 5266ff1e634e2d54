#include "analysis/moe_bench/call_times.h"

#include "engine/core/on_device.h"
#include "engine/core/tensor.h"
#include "kernels/api/device_clock.h"

namespace switchyard::moe_bench {
namespace {

double seconds_of(Device device, const std::function<void()>& call) {
  return on_device(device, "bench",
                   [&](auto& exec) { return kernels::device_seconds(exec, call); });
}

void clear(Tensor& memory) {
  on_device(memory.device(), "bench", [&](auto& exec) {
    kernels::clear(exec, memory.data<std::uint8_t>(), static_cast<std::size_t>(memory.numel()));
  });
}

/// The host enqueues the timed call while the device is still busy with what comes before it, so
/// that a short call's time is the device's and not that of its launch.
std::vector<Sample> samples_of(Device device, const std::function<void()>& call, Tensor& flush) {
  if (!flush.defined()) {
    return {[device, &call] { return seconds_of(device, call); }};
  }
  return {[device, &call] {
            call();
            return seconds_of(device, call);
          },
          [device, &call, &flush] {
            clear(flush);
            return seconds_of(device, call);
          }};
}

}  // namespace

double cache_bytes(Device device) {
  return on_device(device, "bench", [](auto& exec) {
    return static_cast<double>(kernels::shared_cache_bytes(exec));
  });
}

std::vector<CallTimes> time_in_turns(Device device, const std::vector<std::function<void()>>& calls,
                                     const TimingOptions& options) {
  Tensor flush;
  if (const auto bytes = static_cast<std::int64_t>(cache_bytes(device)); bytes > 0) {
    flush = Tensor::empty({bytes}, DType::kUInt8, device);
  }
  std::vector<Sample> samples;
  for (const auto& call : calls) {
    for (Sample& sample : samples_of(device, call, flush)) samples.push_back(std::move(sample));
  }
  std::vector<Timing> timings = sample_in_turns(samples, options);
  std::vector<CallTimes> times(calls.size());
  const std::size_t each = flush.defined() ? 2 : 1;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    times[i].warm = std::move(timings[each * i]);
    if (flush.defined()) times[i].cold = std::move(timings[each * i + 1]);
  }
  return times;
}

}  // namespace switchyard::moe_bench

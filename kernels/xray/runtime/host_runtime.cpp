#include "kernels/xray/runtime/host_runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace switchyard::kernels::xray {

std::size_t HostRuntime::cached_bytes() const {
  std::size_t sum = 0;
  for (const auto& [bytes, data] : cached_) sum += bytes;
  return sum;
}

std::size_t HostRuntime::device_bytes() const {
  std::size_t sum = cached_bytes();
  for (const auto& [data, bytes] : handed_out_) sum += bytes;
  return sum;
}

cudaError_t HostRuntime::launch(const CompiledKernel& /*kernel*/, dim3 /*grid*/, dim3 /*block*/,
                                void** /*arguments*/, std::size_t /*shared_bytes*/) {
  return cudaErrorInvalidDeviceFunction;
}

void HostRuntime::run_all() {
  run_until([this] { return queue_.empty(); });
}

void HostRuntime::run_until(const std::function<bool()>& done) {
  while (!done()) {
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();  // before it runs: it may throw
    work();
  }
}

cudaError_t HostRuntime::allocate(void** data, std::size_t bytes) {
  if (const auto fit = cached_.find(bytes); fit != cached_.end()) {
    *data = fit->second;
    cached_.erase(fit);
  } else if (bytes > total_bytes || device_bytes() > total_bytes - bytes) {
    return last_error = cudaErrorMemoryAllocation;
  } else {
    *data = std::aligned_alloc(256, bytes);
    if (*data == nullptr) return last_error = cudaErrorMemoryAllocation;
  }
  handed_out_.emplace(*data, bytes);
  traffic.allocations.add(bytes);
  traffic.live_bytes += bytes;
  traffic.peak_bytes = std::max(traffic.peak_bytes, traffic.live_bytes);
  enqueue([this, block = *data, bytes] {
    if (zeroed) std::memset(block, 0, bytes);
    allocated(block, bytes);
  });
  return cudaSuccess;
}

void HostRuntime::release(void* data) {
  const auto found = handed_out_.find(data);
  if (found == handed_out_.end()) std::abort();  // freed twice
  enqueue([this, data, bytes = found->second] {
    released(data);
    std::memset(data, 0xDB, bytes);
  });
  traffic.live_bytes -= found->second;
  cached_.emplace(found->second, data);
  handed_out_.erase(found);
}

void HostRuntime::trim() {
  run_all();  // what is queued may still use the blocks
  for (const auto& [bytes, data] : cached_) std::free(data);
  cached_.clear();
}

}  // namespace switchyard::kernels::xray

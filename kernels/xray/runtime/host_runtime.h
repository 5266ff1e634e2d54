#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include "kernels/xray/runtime/kernel_table.h"
#include "kernels/xray/runtime/recording.h"

// Stands in for the CUDA runtime: what the engine asks of a GPU then happens on the host. A program
// that links this (cmake/xray_runtime.cmake) has both runtimes in it. Its calls of the CUDA runtime
// go to the real one until a HostRuntime is put in its place.

namespace switchyard::kernels::xray {

/// Memory, streams, events and copies of a GPU, on the host. Device memory is host memory. A stream
/// does nothing until somebody waits for it: what does not wait where it must reads bytes that are
/// not there yet. There is one stream's worth of order: all streams share one queue. Freed memory
/// is overwritten.
///
/// Calls may come from several threads; each holds a lock for its length (runtime_calls.cpp).
class HostRuntime {
 public:
  HostRuntime() = default;
  virtual ~HostRuntime() = default;
  HostRuntime(const HostRuntime&) = default;
  HostRuntime& operator=(const HostRuntime&) = default;

  /// The one that calls go to; null where they go to the real runtime.
  static HostRuntime* active() { return active_; }
  /// Sends all calls from now on to `runtime`, which must live as long as the program. To be called
  /// before the engine first asks for a GPU: handles of the real runtime mean nothing here.
  static void use(HostRuntime& runtime) { active_ = &runtime; }

  // ---- what the machine is
  const char* gpu_name = "host";
  cudaError_t count_status = cudaSuccess;
  int driver_version = 13000;
  int gpus = 1;
  int major = 9;
  int minor = 0;
  int multiprocessors = 7;
  std::size_t total_bytes = std::size_t{64} << 20;
  int memory_pools = 1;
  int cache_bytes = 1 << 20;
  bool zeroed = false;  ///< every block is handed out full of zeros

  // ---- what was done
  HostTraffic traffic;
  std::size_t device_bytes() const;  ///< taken from the device: handed out and cached
  std::size_t cached_bytes() const;
  std::size_t pinned_bytes = 0;
  int live_events = 0;
  int live_streams = 0;
  std::uint64_t release_threshold = 0;
  /// The device's clock, which cudaMemset moves on: 1 ms for a megabyte.
  double milliseconds = 0.0;

  // ---- what the runtime's functions use
  /// Begins the call of that name; what it returns is the call's result unless it is cudaSuccess.
  virtual cudaError_t enter(const char* /*call*/) { return cudaSuccess; }
  /// Enqueues a kernel. `arguments` points to its arguments in order, as cudaLaunchKernel has them.
  virtual cudaError_t launch(const CompiledKernel& kernel, dim3 grid, dim3 block, void** arguments,
                             std::size_t shared_bytes);
  void enqueue(std::function<void()> work) { queue_.push_back(std::move(work)); }
  void run_all();
  void run_until(const std::function<bool()>& done);
  cudaError_t allocate(void** data, std::size_t bytes);
  void release(void* data);
  void trim();
  cudaError_t last_error = cudaSuccess;

 protected:
  /// A block begins or ceases to be the program's. Both are called in the stream's order.
  virtual void allocated(void* /*data*/, std::size_t /*bytes*/) {}
  virtual void released(void* /*data*/) {}

  std::map<void*, std::size_t> handed_out_;

 private:
  static inline HostRuntime* active_ = nullptr;

  std::deque<std::function<void()>> queue_;
  std::multimap<std::size_t, void*> cached_;
};

}  // namespace switchyard::kernels::xray

#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

// Takes the place of the CUDA runtime in this program, so that what the engine does around it runs
// without a GPU. Device memory is host memory. A stream does nothing until somebody waits for it:
// what does not wait where it must reads bytes that are not there yet.

namespace switchyard::test {

class FakeCuda {
 public:
  static FakeCuda& instance();

  /// Restores the state after the start of the process.
  void reset();

  // ---- what the machine is
  cudaError_t count_status = cudaSuccess;
  int driver_version = 13000;
  int gpus = 1;
  int major = 9;
  int minor = 0;
  std::size_t total_bytes = std::size_t{64} << 20;
  int memory_pools = 1;
  int cache_bytes = 1 << 20;
  bool zeroed = false;  ///< every block is handed out full of zeros
  /// The named call fails this way once.
  std::map<std::string, cudaError_t> fail_once;

  // ---- what was done
  std::vector<std::string> calls;  ///< names, in order
  int count(const std::string& call) const;
  int waits = 0;                     ///< of the host for a stream or for what is not there yet
  std::size_t device_bytes() const;  ///< taken from the device: handed out and cached
  std::size_t cached_bytes() const;
  const std::map<void*, std::size_t>& handed_out() const { return handed_out_; }
  std::size_t pinned_bytes = 0;
  int live_events = 0;
  int live_streams = 0;
  std::uint64_t release_threshold = 0;
  /// The device's clock, which cudaMemset moves on: 1 ms for a megabyte.
  double milliseconds = 0.0;

  // ---- what the functions below use
  cudaError_t enter(const char* call);
  void enqueue(std::function<void()> work) { queue_.push_back(std::move(work)); }
  void run_all();
  void run_until(const std::function<bool()>& done);
  cudaError_t allocate(void** data, std::size_t bytes);
  void release(void* data);
  void trim();
  cudaError_t last_error = cudaSuccess;

 private:
  std::deque<std::function<void()>> queue_;
  std::map<void*, std::size_t> handed_out_;
  std::multimap<std::size_t, void*> cached_;
};

}  // namespace switchyard::test

#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <mutex>
#include <span>

#include "kernels/api/read_back.h"

namespace switchyard::kernels {

/// Copies between host and device through a ring of page-locked buffers: a GPU reads and writes
/// such memory by itself, while the host already fills or empties the next buffer. Four buffers of
/// 2 MiB are enough to keep a PCIe link busy. From any host thread, one copy at a time.
class Staging {
 public:
  static constexpr std::size_t kSlots = 4;
  static constexpr std::size_t kSlotBytes = std::size_t{2} << 20;

  Staging() = default;
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Returns when `from` has been read; the last buffers may still be on their way.
  void to_device(cudaStream_t stream, void* to, const void* from, std::size_t bytes);
  /// Returns when every `to` holds everything: small copies share a buffer and so a wait.
  void to_host(cudaStream_t stream, std::span<const HostCopy> copies);

 private:
  struct Slot {
    void* memory = nullptr;
    cudaEvent_t done = nullptr;  // the GPU has finished with `memory`
  };
  /// The slot of the `turn`th use, page-locked memory made at its first; waits until it is free.
  Slot& free_slot(std::size_t turn);

  std::mutex mutex_;
  std::array<Slot, kSlots> slots_;
  std::size_t turn_ = 0;  // uses so far
};

}  // namespace switchyard::kernels

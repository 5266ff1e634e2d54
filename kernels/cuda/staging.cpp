#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/parts.h"

namespace switchyard::kernels {

Staging::~Staging() {
  for (const Slot& slot : slots_) {
    if (slot.memory != nullptr) static_cast<void>(cudaFreeHost(slot.memory));
    if (slot.done != nullptr) static_cast<void>(cudaEventDestroy(slot.done));
  }
}

Staging::Slot& Staging::free_slot(std::size_t turn) {
  Slot& slot = slots_[turn % kSlots];
  if (slot.done == nullptr) {
    check_cuda(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming),
               "cudaEventCreateWithFlags");
  }
  if (slot.memory == nullptr) {
    check_cuda(cudaHostAlloc(&slot.memory, kSlotBytes, cudaHostAllocDefault), "cudaHostAlloc");
  }
  check_cuda(cudaEventSynchronize(slot.done), "cudaEventSynchronize");
  return slot;
}

void Staging::to_device(cudaStream_t stream, void* to, const void* from, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  for (std::size_t begin = 0; begin < bytes; begin += kSlotBytes) {
    const std::size_t count = std::min(kSlotBytes, bytes - begin);
    const Slot& slot = free_slot(turn_++);
    std::memcpy(slot.memory, static_cast<const char*>(from) + begin, count);
    check_cuda(cudaMemcpyAsync(static_cast<char*>(to) + begin, slot.memory, count,
                               cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync to the device");
    check_cuda(cudaEventRecord(slot.done, stream), "cudaEventRecord");
  }
}

void Staging::to_host(cudaStream_t stream, void* to, const void* from, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::size_t first = turn_;
  const std::size_t pieces = (bytes + kSlotBytes - 1) / kSlotBytes;
  const auto length = [&](std::size_t piece) {
    return std::min(kSlotBytes, bytes - piece * kSlotBytes);
  };
  for (std::size_t landed = 0; landed < pieces; ++landed) {
    while (turn_ - first < std::min(pieces, landed + kSlots)) {  // as many under way as fit
      const std::size_t piece = turn_ - first;
      const Slot& slot = free_slot(turn_++);
      check_cuda(cudaMemcpyAsync(slot.memory, static_cast<const char*>(from) + piece * kSlotBytes,
                                 length(piece), cudaMemcpyDeviceToHost, stream),
                 "cudaMemcpyAsync to the host");
      check_cuda(cudaEventRecord(slot.done, stream), "cudaEventRecord");
    }
    const Slot& slot = free_slot(first + landed);
    std::memcpy(static_cast<char*>(to) + landed * kSlotBytes, slot.memory, length(landed));
  }
}

template <>
void copy_to_device(Cuda& cuda, void* to, const void* from, std::size_t bytes) {
  cuda.parts->staging.to_device(cuda.stream, to, from, bytes);
}

template <>
void copy_to_host(Cuda& cuda, void* to, const void* from, std::size_t bytes) {
  cuda.parts->staging.to_host(cuda.stream, to, from, bytes);
}

template <>
void copy_within_device(Cuda& cuda, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda.stream),
             "cudaMemcpyAsync within the device");
}

template <>
void clear(Cuda& cuda, void* to, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemsetAsync(to, 0, bytes, cuda.stream), "cudaMemsetAsync");
}

}  // namespace switchyard::kernels

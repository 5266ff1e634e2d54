#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/api/host_waits.h"
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

namespace {

/// A stretch of a copy that goes through one buffer.
struct Piece {
  std::size_t slot;  // number of the buffer within the call
  std::size_t at;    // offset in it
  HostCopy copy;
};

/// Cuts the copies into pieces that fill one buffer after the other.
std::vector<Piece> pieces_of(std::span<const HostCopy> copies) {
  std::vector<Piece> pieces;
  std::size_t end = 0;  // of the last piece, counted over all buffers
  for (HostCopy rest : copies) {
    while (rest.bytes > 0) {
      const std::size_t at = end % Staging::kSlotBytes;
      const std::size_t bytes = std::min(rest.bytes, Staging::kSlotBytes - at);
      pieces.push_back({end / Staging::kSlotBytes, at, {rest.to, rest.from, bytes}});
      rest = {static_cast<char*>(rest.to) + bytes, static_cast<const char*>(rest.from) + bytes,
              rest.bytes - bytes};
      end += (bytes + 15) / 16 * 16;
    }
  }
  return pieces;
}

}  // namespace

void Staging::to_host(cudaStream_t stream, std::span<const HostCopy> copies) {
  const std::vector<Piece> pieces = pieces_of(copies);
  if (pieces.empty()) return;
  note_host_wait();
  const std::lock_guard lock(mutex_);
  const std::size_t first = turn_;
  const std::size_t slots = pieces.back().slot + 1;
  auto sent = pieces.begin();
  auto landed = pieces.begin();
  for (std::size_t slot = 0; slot < slots; ++slot) {
    while (turn_ - first < std::min(slots, slot + kSlots)) {  // as many under way as fit
      const std::size_t next = turn_ - first;
      const Slot& to = free_slot(turn_++);
      for (; sent != pieces.end() && sent->slot == next; ++sent) {
        check_cuda(cudaMemcpyAsync(static_cast<char*>(to.memory) + sent->at, sent->copy.from,
                                   sent->copy.bytes, cudaMemcpyDeviceToHost, stream),
                   "cudaMemcpyAsync to the host");
      }
      check_cuda(cudaEventRecord(to.done, stream), "cudaEventRecord");
    }
    const Slot& from = free_slot(first + slot);
    for (; landed != pieces.end() && landed->slot == slot; ++landed) {
      std::memcpy(landed->copy.to, static_cast<const char*>(from.memory) + landed->at,
                  landed->copy.bytes);
    }
  }
}

template <>
void copy_to_device(Cuda& cuda, void* to, const void* from, std::size_t bytes) {
  cuda.parts->staging.to_device(cuda.stream, to, from, bytes);
}

template <>
void copy_to_host(Cuda& cuda, void* to, const void* from, std::size_t bytes) {
  const HostCopy copy = {to, from, bytes};
  cuda.parts->staging.to_host(cuda.stream, std::span(&copy, 1));
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

namespace {

void forget_faults(Cuda& cuda) {
  check_cuda(cudaMemsetAsync(cuda.parts->fault.data, 0xFF, sizeof(LowestNumber), cuda.stream),
             "cudaMemsetAsync");
}

}  // namespace

template <>
LowestNumber* fault_word(Cuda& cuda) {
  MemoryBlock& block = cuda.parts->fault;
  if (block.data == nullptr) {
    block = allocate(cuda, sizeof(LowestNumber));
    forget_faults(cuda);
  }
  return static_cast<LowestNumber*>(block.data);
}

template <>
LowestNumber read_back(Cuda& cuda, std::span<const HostCopy> copies) {
  LowestNumber fault = kNoFault;
  std::vector<HostCopy> all(copies.begin(), copies.end());
  all.push_back({&fault, fault_word(cuda), sizeof(fault)});
  cuda.parts->staging.to_host(cuda.stream, all);
  if (fault != kNoFault) forget_faults(cuda);
  return fault;
}

}  // namespace switchyard::kernels

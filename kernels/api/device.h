#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/api/executor.h"

// These functions are what the engine needs of a device besides kernels: whether it is there, its
// memory, and copies. Every executor (Cpu, Cuda, Simt) implements all of it; `void*` into and out
// of kernels is always memory of the executor's device. Errors: Error (CudaError on a GPU), one
// line that names the call; OutOfMemory, which names the bytes and the device.

namespace switchyard::kernels {

// ---- the device

/// Says in a few words why this machine cannot run Exec's kernels ("no GPU: no CUDA-capable device
/// is detected"); empty where it can. Does not throw, and asks the driver once.
template <class Exec>
std::string unavailable_reason();

/// The executor that the engine uses: one per process, made at the first call, never destroyed.
/// Kernels and copies run in order on it. Errors: the device is not available.
template <class Exec>
Exec& default_executor();

/// The device in words: "NVIDIA H100 80GB HBM3, 79 GiB, compute capability 9.0".
template <class Exec>
std::string device_description(Exec& exec);

/// Waits until everything enqueued on the executor has run. Errors: those of the kernels that ran.
template <class Exec>
void synchronise(Exec& exec);

/// Grids that were launched on the executor so far; 0 on the cpu, which launches none.
template <class Exec>
std::uint64_t launch_count(const Exec& exec);

/// Names what is enqueued until end_range for a profiler (NVTX); ranges nest. Nothing where the
/// device has none.
template <class Exec>
void begin_range(Exec& exec, std::string_view name);
template <class Exec>
void end_range(Exec& exec) noexcept;

// ---- its memory

/// Counts what an allocator holds, in bytes.
struct MemoryStats {
  std::size_t live = 0;    ///< handed out now
  std::size_t peak = 0;    ///< most that was live since the last reset_peak_memory()
  std::size_t cached = 0;  ///< free blocks kept for reuse
};

/// A block of device memory; `capacity`, at least what was asked for, is what the allocator counts.
struct MemoryBlock {
  void* data = nullptr;
  std::size_t capacity = 0;
};

/// Uninitialised memory, aligned to 64 bytes (256 on a GPU); never null, also for 0 bytes. Ordered
/// with the executor's work: no wait. From any host thread.
template <class Exec>
MemoryBlock allocate(Exec& exec, std::size_t bytes);

/// Gives a block back. Work enqueued before may still use it; whoever gets it next runs later.
/// Also called while the process ends.
template <class Exec>
void release(Exec& exec, MemoryBlock block) noexcept;

template <class Exec>
MemoryStats memory_stats(Exec& exec);
template <class Exec>
void reset_peak_memory(Exec& exec);
/// Gives cached blocks back to the driver or the operating system.
template <class Exec>
void release_cached_memory(Exec& exec);

// ---- copies, of any number of bytes, 0 included; the stretches do not overlap

/// Copies from host memory to device memory. `from` may be changed or freed as soon as this
/// returns.
template <class Exec>
void copy_to_device(Exec& exec, void* to, const void* from, std::size_t bytes);
/// Copies from device memory to host memory. Waits for the work enqueued before and for the copy.
template <class Exec>
void copy_to_host(Exec& exec, void* to, const void* from, std::size_t bytes);
/// Within the device's memory, in order with its kernels.
template <class Exec>
void copy_within_device(Exec& exec, void* to, const void* from, std::size_t bytes);
/// All bytes 0, in order with its kernels: zeros in every dtype.
template <class Exec>
void clear(Exec& exec, void* to, std::size_t bytes);

}  // namespace switchyard::kernels

#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/launch.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/block_scan.cuh"
#include "kernels/cuda/fault.cuh"

// Computes how many assignments each expert gets, and where its segment begins: a histogram, cut at
// the capacity, and its prefix sum. Reads 8 bytes an assignment; the rest is small.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// Assignments that an expert keeps; capacity 0 keeps all.
__device__ __forceinline__ std::int64_t kept(std::int64_t count, std::int64_t capacity) {
  return capacity > 0 && count > capacity ? capacity : count;
}

// segment_offsets_serial
//   1. one thread counts the assignments of every expert in `offsets`;
//   2. it adds the counts up.
// indices [assignments], offsets [experts + 1]. It is a chain of dependent accesses to memory, one
// assignment after the other.
__global__ void segment_offsets_serial(const std::int64_t* indices, int assignments, int experts,
                                       std::int64_t capacity, std::int64_t* offsets) {
  for (int e = 0; e <= experts; ++e) offsets[e] = 0;
  for (int a = 0; a < assignments; ++a) {
    ++offsets[index_within(indices[a], experts) + 1];
  }
  for (int e = 0; e < experts; ++e) offsets[e + 1] = offsets[e] + kept(offsets[e + 1], capacity);
}

// segment_offsets_global_counters
//   1. each thread takes one assignment and adds one to its expert's counter in memory;
//   2. one block adds the counters up (segment_offsets_scan).
// counts [experts] must be zero before. Reads are coalesced, but all assignments queue at `experts`
// addresses: with one hot expert the atomics run one after the other. Sums of integers do not
// depend on the order.
__global__ void segment_offsets_global_counters(const std::int64_t* __restrict__ indices,
                                                int assignments, int experts, int* counts) {
  const std::int64_t a = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (a < assignments) atomicAdd(counts + index_within(indices[a], experts), 1);
}

/// Assignments that a thread of the next kernel counts.
constexpr int kPerThread = 8;
constexpr int kPerBlock = kThreads * kPerThread;

// segment_offsets_shared_counters
//   1. each block counts 2048 assignments in its own shared memory;
//   2. it adds its counters to those in memory: `experts` atomics at most for 2048 assignments;
//   3. one block adds them up (segment_offsets_scan).
// The queue at a hot expert forms in shared memory, where an atomic takes a few cycles, in all
// blocks at the same time.
__global__ void __launch_bounds__(kThreads)
    segment_offsets_shared_counters(const std::int64_t* __restrict__ indices, int assignments,
                                    int experts, int* counts) {
  SWITCHYARD_DYNAMIC_SHARED(int, mine);
  const auto thread = static_cast<int>(threadIdx.x);
  for (int e = thread; e < experts; e += kThreads) mine[e] = 0;
  __syncthreads();
  const std::int64_t first = std::int64_t{blockIdx.x} * kPerBlock + thread;
  for (int i = 0; i < kPerThread; ++i) {
    const std::int64_t a = first + i * kThreads;
    if (a < assignments) atomicAdd(mine + index_within(indices[a], experts), 1);
  }
  __syncthreads();
  for (int e = thread; e < experts; e += kThreads) {
    if (mine[e] != 0) atomicAdd(counts + e, mine[e]);
  }
}

/// The last step of both: one block, 256 experts at a time.
__global__ void __launch_bounds__(kThreads)
    segment_offsets_scan(const int* counts, int experts, std::int64_t capacity,
                         std::int64_t* offsets) {
  std::int64_t carry = 0;
  for (int first = 0; first < experts; first += kThreads) {
    const int e = first + static_cast<int>(threadIdx.x);
    const auto scan =
        block_scan<kThreads>(e < experts ? kept(counts[e], capacity) : std::int64_t{0});
    if (e < experts) offsets[e] = carry + scan.before;
    carry += scan.total;
  }
  if (threadIdx.x == 0) offsets[experts] = carry;
}

__global__ void segment_offsets_clear(int experts, int* counts) {
  const std::int64_t e = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (e < experts) counts[e] = 0;
}

// ---- launchers

void serial(KernelExecutor& exec, const SegmentOffsets& a) {
  constexpr const char* kName = "segment_offsets_serial";
  launch(exec, kName, segment_offsets_serial, Line{{1}, 1}, a.indices,
         checked_extent(kName, "assignments", a.assignments),
         checked_extent(kName, "experts", a.experts), a.capacity, a.offsets);
}

/// Clears the counters, lets `count(counters)` count, adds up.
template <class Count>
void run_counted(KernelExecutor& exec, const SegmentOffsets& a, const Count& count) {
  const auto experts = static_cast<int>(a.experts);
  const Workspace<int> counts(exec, experts);
  launch(exec, "segment_offsets_clear", segment_offsets_clear,
         Line{{tiles_along(experts, kThreads)}, kThreads}, experts, counts.data());
  count(counts.data());
  launch(exec, "segment_offsets_scan", segment_offsets_scan, Line{{1}, kThreads}, counts.data(),
         experts, a.capacity, a.offsets);
}

void global_counters(KernelExecutor& exec, const SegmentOffsets& a) {
  constexpr const char* kName = "segment_offsets_global_counters";
  const int count = checked_extent(kName, "assignments", a.assignments);
  checked_extent(kName, "experts", a.experts);
  run_counted(exec, a, [&](int* counts) {
    launch(exec, kName, segment_offsets_global_counters,
           Line{{tiles_along(count, kThreads)}, kThreads}, a.indices, count,
           static_cast<int>(a.experts), counts);
  });
}

/// Counters for 48 KiB of shared memory.
constexpr std::int64_t kMostExperts = 48 * 1024 / sizeof(int);

void shared_counters(KernelExecutor& exec, const SegmentOffsets& a) {
  constexpr const char* kName = "segment_offsets_shared_counters";
  const int count = checked_extent(kName, "assignments", a.assignments);
  run_counted(exec, a, [&](int* counts) {
    launch(exec, kName, segment_offsets_shared_counters,
           LaunchShape{.grid = {static_cast<unsigned>(tiles_along(count, kPerBlock))},
                       .block = {kThreads},
                       .dynamic_shared_bytes = static_cast<std::size_t>(a.experts) * sizeof(int)},
           a.indices, count, static_cast<int>(a.experts), counts);
  });
}

bool fits_shared(const SegmentOffsets& a) { return a.experts <= kMostExperts; }

}  // namespace

// ---- the ladder

template <>
constexpr auto kRungs<KernelExecutor, SegmentOffsets> =
    std::to_array<Rung<KernelExecutor, SegmentOffsets>>({{"segment_offsets_serial", serial},
                                                         {"segment_offsets_global_counters",
                                                          global_counters},
                                                         {"segment_offsets_shared_counters",
                                                          shared_counters,
                                                          {"at most 12288 experts", fits_shared}}});

template struct Provides<KernelExecutor, SegmentOffsets>;

}  // namespace switchyard::kernels

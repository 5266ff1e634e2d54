#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/block_scan.cuh"
#include "kernels/cuda/fault.cuh"

// These kernels sort the assignments by expert, stably: slot(a) = offsets[e] + the number of
// assignments of e before a. A counting sort; what differs is how many threads count, and how the
// count before a is known without waiting for everybody before a.

namespace switchyard::kernels {
namespace {

/// The operands of one call.
struct Sort {
  const std::int64_t* indices;  // [assignments]
  int assignments, experts;
  const std::int64_t* offsets;  // [experts + 1]
  std::int64_t* permutation;    // [slots]
  std::int64_t* inverse;        // [assignments]
};

/// Gives assignment `a` the place `rank` in its expert's segment, or drops it past the segment's
/// end.
__device__ __forceinline__ void place(const Sort& p, int a, int expert, std::int64_t rank) {
  const std::int64_t slot = p.offsets[expert] + rank;
  const bool kept = slot < p.offsets[expert + 1];
  if (kept) p.permutation[slot] = a;
  p.inverse[a] = kept ? slot : -1;
}

/// Lanes below this one.
__device__ __forceinline__ unsigned lanes_below() { return (1U << threadIdx.x % kWarp) - 1U; }

// sort_assignments_serial
//   1. one thread takes the assignments in order and gives each its expert's next place.
// next [experts] counts the places given. Reads 8 and writes 16 bytes an assignment, each after the
// latency of the one before: hundreds of cycles an assignment, whatever the GPU.
__global__ void sort_assignments_serial(Sort p, std::int64_t* next) {
  for (int e = 0; e < p.experts; ++e) next[e] = 0;
  for (int a = 0; a < p.assignments; ++a) {
    const auto expert = static_cast<int>(index_within(p.indices[a], p.experts));
    place(p, a, expert, next[expert]++);
  }
}

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// sort_assignments_block_per_expert
//   1. each block takes one expert and walks over all assignments, 256 at a time;
//   2. a prefix sum over the block (one ballot a warp, then the warps' sums) numbers those that are
//      its own; the running count of the steps before is added;
//   3. they are placed.
// It needs no workspace and no second launch, and takes any number of experts; but it reads all
// indices once per expert: 8 · experts bytes an assignment instead of 8.
__global__ void __launch_bounds__(kThreads) sort_assignments_block_per_expert(Sort p) {
  __shared__ int warp_count[2][kWarps];  // of even and odd steps: one barrier a step
  const auto warp = static_cast<int>(threadIdx.x) / kWarp;
  const auto expert = static_cast<int>(blockIdx.x);
  int before = 0;
  int parity = 0;
  for (int first = 0; first < p.assignments; first += kThreads) {
    const int a = first + static_cast<int>(threadIdx.x);
    const bool mine = a < p.assignments && index_within(p.indices[a], p.experts) == expert;
    const unsigned votes = __ballot_sync(kFullWarp, mine ? 1 : 0);
    if (threadIdx.x % kWarp == 0) warp_count[parity][warp] = __popc(votes);
    __syncthreads();
    int rank = before + __popc(votes & lanes_below());
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) rank += warp_count[parity][w];
      before += warp_count[parity][w];
    }
    if (mine) place(p, a, expert, rank);
    parity ^= 1;
  }
}

// sort_assignments_counting: a block takes a chunk of 2048 assignments, each of its 8 warps 256 in
// a row. Three launches:
//   1. count: table[e][chunk] = the chunk's assignments to e;
//   2. scan: along each expert's row of the table, the sum of the chunks before;
//   3. place: the chunk is counted again per warp, warps are added up on top of the table, and each
//      warp places its assignments in order, 32 at a time.
// Within 32 assignments, lanes with the same expert find each other by a match; a lane's rank is
// the number of its peers below. Reads the indices twice and writes 16 bytes an assignment: 32
// bytes, and 12 bytes of table per expert and chunk. Only integers are added, each place is
// computed, so the sort is stable and the same on every run.
constexpr int kPerWarp = 256;
constexpr int kPerChunk = kPerWarp * kWarps;

/// The expert of this lane's assignment in step `first` of its warp, or -1 past the end.
__device__ __forceinline__ int expert_at(const Sort& p, int a) {
  return a < p.assignments ? static_cast<int>(index_within(p.indices[a], p.experts)) : -1;
}

/// First assignment of this warp's part of the chunk.
__device__ __forceinline__ int warp_begin() {
  return static_cast<int>(blockIdx.x) * kPerChunk +
         static_cast<int>(threadIdx.x) / kWarp * kPerWarp + static_cast<int>(threadIdx.x) % kWarp;
}

/// counts [kWarps][experts] in shared memory: this chunk's assignments by warp and expert.
__device__ __forceinline__ void count_by_warp(const Sort& p, int* counts) {
  for (int i = static_cast<int>(threadIdx.x); i < kWarps * p.experts; i += kThreads) counts[i] = 0;
  __syncthreads();
  int* const mine = counts + static_cast<int>(threadIdx.x) / kWarp * p.experts;
  const int begin = warp_begin();
  for (int step = 0; step < kPerWarp; step += kWarp) {
    const int expert = expert_at(p, begin + step);
    const unsigned peers = __match_any_sync(kFullWarp, expert);
    // One lane of each group adds for all of it; groups have different counters.
    if (expert >= 0 && (peers & lanes_below()) == 0) mine[expert] += __popc(peers);
    __syncwarp();
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads) sort_assignments_count(Sort p, int* table) {
  SWITCHYARD_DYNAMIC_SHARED(int, counts);
  count_by_warp(p, counts);
  for (int e = static_cast<int>(threadIdx.x); e < p.experts; e += kThreads) {
    int sum = 0;
    for (int w = 0; w < kWarps; ++w) sum += counts[w * p.experts + e];
    table[std::int64_t{e} * gridDim.x + blockIdx.x] = sum;
  }
}

/// A block per expert; in place over its row table [chunks].
__global__ void __launch_bounds__(kThreads) sort_assignments_scan(int chunks, int* table) {
  int* const row = table + std::int64_t{blockIdx.x} * chunks;
  int carry = 0;
  for (int first = 0; first < chunks; first += kThreads) {
    const int chunk = first + static_cast<int>(threadIdx.x);
    const auto scan = block_scan<kThreads>(chunk < chunks ? row[chunk] : 0);
    if (chunk < chunks) row[chunk] = carry + scan.before;
    carry += scan.total;
  }
}

__global__ void __launch_bounds__(kThreads) sort_assignments_place(Sort p, const int* table) {
  SWITCHYARD_DYNAMIC_SHARED(int, counts);
  count_by_warp(p, counts);
  for (int e = static_cast<int>(threadIdx.x); e < p.experts; e += kThreads) {
    int running = table[std::int64_t{e} * gridDim.x + blockIdx.x];
    for (int w = 0; w < kWarps; ++w) {
      const int count = counts[w * p.experts + e];
      counts[w * p.experts + e] = running;
      running += count;
    }
  }
  __syncthreads();
  int* const next = counts + static_cast<int>(threadIdx.x) / kWarp * p.experts;
  const int begin = warp_begin();
  for (int step = 0; step < kPerWarp; step += kWarp) {
    const int a = begin + step;
    const int expert = expert_at(p, a);
    const unsigned peers = __match_any_sync(kFullWarp, expert);
    const int below = __popc(peers & lanes_below());
    const int rank = expert >= 0 ? next[expert] + below : 0;
    __syncwarp();  // all have read before one of each group writes
    if (expert >= 0 && below == 0) next[expert] += __popc(peers);
    __syncwarp();
    if (expert >= 0) place(p, a, expert, rank);
  }
}

// ---- launchers

/// A block's counters fit into the 48 KiB of shared memory that every device gives.
constexpr std::int64_t kMostExperts = 48 * 1024 / (kWarps * sizeof(int));

Sort operands(const char* name, const SortAssignments& a) {
  return {a.indices,
          checked_extent(name, "assignments", a.assignments),
          checked_extent(name, "experts", a.experts),
          a.offsets,
          a.permutation,
          a.inverse};
}

void serial(KernelExecutor& exec, const SortAssignments& a) {
  constexpr const char* kName = "sort_assignments_serial";
  const Sort p = operands(kName, a);
  if (p.assignments == 0) return;
  const Workspace<std::int64_t> next(exec, a.experts);
  launch(exec, kName, sort_assignments_serial, Line{{1}, 1}, p, next.data());
}

void block_per_expert(KernelExecutor& exec, const SortAssignments& a) {
  constexpr const char* kName = "sort_assignments_block_per_expert";
  launch(exec, kName, sort_assignments_block_per_expert, Line{{a.experts}, kThreads},
         operands(kName, a));
}

void counting(KernelExecutor& exec, const SortAssignments& a) {
  constexpr const char* kName = "sort_assignments_counting";
  const Sort p = operands(kName, a);
  if (p.assignments == 0) return;
  const auto chunks = static_cast<unsigned>(tiles_along(a.assignments, kPerChunk));
  const Workspace<int> table(exec, a.experts * chunks);
  const LaunchShape per_chunk = {
      .grid = {chunks},
      .block = {kThreads},
      .dynamic_shared_bytes = static_cast<std::size_t>(a.experts) * kWarps * sizeof(int)};
  launch(exec, "sort_assignments_count", sort_assignments_count, per_chunk, p, table.data());
  launch(exec, "sort_assignments_scan", sort_assignments_scan, Line{{a.experts}, kThreads},
         static_cast<int>(chunks), table.data());
  launch(exec, "sort_assignments_place", sort_assignments_place, per_chunk, p, table.data());
}

bool fits_shared(const SortAssignments& a) { return a.experts <= kMostExperts; }

}  // namespace

// ---- the ladder

template <>
constexpr auto kRungs<KernelExecutor, SortAssignments> =
    std::to_array<Rung<KernelExecutor, SortAssignments>>(
        {{"sort_assignments_serial", serial},
         {"sort_assignments_block_per_expert", block_per_expert},
         {"sort_assignments_counting", counting, {"at most 1536 experts", fits_shared}}});

template struct Provides<KernelExecutor, SortAssignments>;

}  // namespace switchyard::kernels

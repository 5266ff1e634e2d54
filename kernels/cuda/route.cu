#include "kernels/api/route.h"

#include <algorithm>

#include "kernels/api/provide.h"
#include "kernels/common/launch.h"
#include "kernels/common/route_separate.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/block_scan.cuh"
#include "kernels/cuda/gate_row.cuh"

// From gate logits [tokens, experts] to slots: the gate, and the stable sort of its choices by
// expert. The rungs differ in how often the choices pass through memory and in their launches. All
// counts are 32-bit; results are as long as the tensors that hold them.

namespace switchyard::kernels {

extern template Ladder<KernelExecutor, Gate<float>> ladder();
extern template Ladder<KernelExecutor, Gate<double>> ladder();
extern template Ladder<KernelExecutor, SegmentOffsets> ladder();
extern template Ladder<KernelExecutor, SortAssignments> ladder();

namespace {

/// The operands of one call.
template <class T>
struct RouteRows {
  GateRows<T> gate;
  int tokens;
  int per_warp;  // tokens that a warp takes, in a row
  std::int64_t* offsets;
  std::int64_t* permutation;
  std::int64_t* inverse;

  /// First token of a warp's share, at most `tokens`.
  __device__ int begin_of(int warp) const {
    const std::int64_t begin = std::int64_t{warp} * per_warp;
    return begin < tokens ? static_cast<int>(begin) : tokens;
  }
};

/// The gate of a warp's tokens [begin, end), kWarp / kLanes of them at once; adds each choice to
/// counts [experts] in shared memory. Sums of integers do not depend on the order.
template <int kPerLane, int kLanes, class T>
__device__ __forceinline__ void gate_and_count(const GateRows<T>& p, int begin, int end,
                                               int* counts) {
  const int place = static_cast<int>(threadIdx.x) % kWarp / kLanes;
  for (int first = begin; first < end; first += kWarp / kLanes) {
    const int token = first + place;
    const bool exists = token < end;
    int choice[kPerLane];
    gate_token<kLanes>(p, exists ? token : end - 1, exists, choice);
    SWITCHYARD_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      if (exists && choice[i] >= 0) {
        atomicAdd(counts + RowInRegisters<T, kPerLane, kLanes>::expert(i), 1);
      }
    }
  }
}

/// Calls body(assignment or -1, expert, peers) for a warp's assignments [begin, end), 32 at a time
/// in their order; `peers` are the lanes with the same expert.
template <class Body>
__device__ __forceinline__ void for_each_in_order(const std::int64_t* indices, int begin, int end,
                                                  const Body& body) {
  for (int first = begin; first < end; first += kWarp) {
    const int a = first + static_cast<int>(threadIdx.x) % kWarp;
    const int expert = a < end ? static_cast<int>(indices[a]) : -1;
    body(a, expert, __match_any_sync(kFullWarp, expert));
  }
}

/// Lanes below this one.
__device__ __forceinline__ unsigned lower_lanes() { return (1U << threadIdx.x % kWarp) - 1U; }

/// Gives a warp's assignments their slots; next [experts] holds the warp's first ones.
template <class T>
__device__ __forceinline__ void place_in_order(const RouteRows<T>& p, int begin, int end,
                                               int* next) {
  for_each_in_order(p.gate.indices, begin, end, [&](int a, int expert, unsigned peers) {
    const int below = __popc(peers & lower_lanes());
    const int slot = expert >= 0 ? next[expert] + below : 0;
    __syncwarp();  // all have read before one of each group writes
    if (expert >= 0 && below == 0) next[expert] += __popc(peers);
    __syncwarp();
    if (expert < 0) return;
    p.permutation[slot] = a;
    p.inverse[a] = slot;
  });
}

/// Turns expert e's counts, column e of counts [kBlockWarps][experts], into each warp's first slot;
/// the first of all is `slot`.
template <int kBlockWarps>
__device__ __forceinline__ void counts_to_slots(int* counts, int experts, int e, int slot) {
  for (int w = 0; w < kBlockWarps; ++w) {
    const int count = counts[w * experts + e];
    counts[w * experts + e] = slot;
    slot += count;
  }
}

// route_one_block
//   1. each of 16 warps takes tokens in a row, runs their gate in registers (gate_row.cuh), writes
//      weights and indices, and counts its choices in shared memory;
//   2. the block adds the warps' counts up, and the experts' sums (block_scan): the offsets, and
//      where each warp begins in each segment;
//   3. each warp gives its assignments their slots, 32 at a time: lanes with the same expert find
//      each other by a match, and a lane's place is the number of its peers below.
// One launch; beside the compulsory bytes it reads the indices once more, which lie in the first
// cache. It keeps one multiprocessor busy and leaves the others idle: for the few tokens of a
// decoding step, where a launch costs more than the work.
constexpr int kOneBlockThreads = 512;

template <class T, int kPerLane, int kLanes>
__global__ void __launch_bounds__(kOneBlockThreads, 1) route_one_block(RouteRows<T> p) {
  constexpr int kBlockWarps = kOneBlockThreads / kWarp;
  SWITCHYARD_DYNAMIC_SHARED(int, counts);  // [kBlockWarps][experts]
  const int experts = p.gate.experts;
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarp;
  for (int i = thread; i < kBlockWarps * experts; i += kOneBlockThreads) counts[i] = 0;
  __syncthreads();
  const int begin = p.begin_of(warp);
  const int end = p.begin_of(warp + 1);
  gate_and_count<kPerLane, kLanes>(p.gate, begin, end, counts + warp * experts);
  __syncthreads();
  int total = 0;  // at most 256 experts: a thread has one or none
  for (int w = 0; w < kBlockWarps && thread < experts; ++w) total += counts[w * experts + thread];
  const auto scan = block_scan<kOneBlockThreads>(total);
  if (thread < experts) {
    p.offsets[thread] = scan.before;
    counts_to_slots<kBlockWarps>(counts, experts, thread, scan.before);
  }
  if (thread == 0) p.offsets[experts] = scan.total;
  __syncthreads();
  place_in_order(p, begin * p.gate.k, end * p.gate.k, counts + warp * experts);
}

// route_two_kernels: a block takes a chunk of the tokens, each of its 8 warps as many in a row; at
// most 128 chunks.
//   1. route_gate_count: the gate of the chunk's tokens, and table[chunk][e] = its choices of e;
//   2. route_place: every block adds up the table: the columns' sums are the offsets, and those of
//      the chunks before it say where it begins; then it counts its own chunk by warps and places
//      as route_one_block does.
// Two launches. The sum over the table is made by every block, 128 times the same: 64 KiB of the
// second cache for 128 experts, in exchange for a third launch that would make it once.
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kMostChunks = 128;

template <class T, int kPerLane, int kLanes>
__global__ void __launch_bounds__(kThreads, 1) route_gate_count(RouteRows<T> p, int* table) {
  SWITCHYARD_DYNAMIC_SHARED(int, counts);  // [experts]
  const int experts = p.gate.experts;
  const auto thread = static_cast<int>(threadIdx.x);
  for (int e = thread; e < experts; e += kThreads) counts[e] = 0;
  __syncthreads();
  const int warp = static_cast<int>(blockIdx.x) * kWarps + thread / kWarp;
  gate_and_count<kPerLane, kLanes>(p.gate, p.begin_of(warp), p.begin_of(warp + 1), counts);
  __syncthreads();
  for (int e = thread; e < experts; e += kThreads) {
    table[static_cast<int>(blockIdx.x) * experts + e] = counts[e];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    route_place(RouteRows<T> p, const int* __restrict__ table) {
  SWITCHYARD_DYNAMIC_SHARED(int, counts);  // [kWarps][experts]
  const int experts = p.gate.experts;
  const auto thread = static_cast<int>(threadIdx.x);
  const auto chunk = static_cast<int>(blockIdx.x);
  for (int i = thread; i < kWarps * experts; i += kThreads) counts[i] = 0;
  __syncthreads();
  const int warp = chunk * kWarps + thread / kWarp;
  const int begin = p.begin_of(warp) * p.gate.k;
  const int end = p.begin_of(warp + 1) * p.gate.k;
  int* const mine = counts + thread / kWarp * experts;
  for_each_in_order(p.gate.indices, begin, end, [&](int, int expert, unsigned peers) {
    // One lane of each group adds for all of it; groups have different counters.
    if (expert >= 0 && (peers & lower_lanes()) == 0) mine[expert] += __popc(peers);
    __syncwarp();
  });
  __syncthreads();
  int before = 0;  // at most 256 experts: a thread has one or none
  int total = 0;
  for (int c = 0; c < static_cast<int>(gridDim.x) && thread < experts; ++c) {
    const int count = table[c * experts + thread];
    if (c < chunk) before += count;
    total += count;
  }
  const auto scan = block_scan<kThreads>(total);
  if (thread < experts) {
    counts_to_slots<kWarps>(counts, experts, thread, scan.before + before);
    if (chunk == 0) p.offsets[thread] = scan.before;
  }
  if (chunk == 0 && thread == 0) p.offsets[experts] = scan.total;
  __syncthreads();
  place_in_order(p, begin, end, mine);
}

// ---- launchers

static_assert(kMostInRegisters <= kThreads, "a thread adds up one expert");

template <class T>
RouteRows<T> operands(const char* name, const Route<T>& a, std::int64_t warps) {
  checked_extent(name, "tokens * k", {a.gate.tokens, a.gate.k});
  return {.gate = GateRows<T>(name, a.gate),
          .tokens = checked_extent(name, "tokens", a.gate.tokens),
          .per_warp = static_cast<int>(tiles_along(a.gate.tokens, warps)),
          .offsets = a.offsets,
          .permutation = a.permutation,
          .inverse = a.inverse};
}

/// Calls body(kPerLane, kLanes), both std::integral_constants: as few registers, or lanes of a
/// warp, as a row of experts needs.
template <class Body>
void with_row(std::int64_t experts, const Body& body) {
  using One = std::integral_constant<int, 1>;
  if (experts <= 4) {
    body(One{}, std::integral_constant<int, 4>{});
  } else if (experts <= 8) {
    body(One{}, std::integral_constant<int, 8>{});
  } else if (experts <= 16) {
    body(One{}, std::integral_constant<int, 16>{});
  } else {
    with_per_lane(experts,
                  [&](auto per_lane) { body(per_lane, std::integral_constant<int, kWarp>{}); });
  }
}

LaunchShape block_shape(std::int64_t blocks, int threads, std::int64_t counters) {
  return {.grid = {static_cast<unsigned>(blocks)},
          .block = {static_cast<unsigned>(threads)},
          .dynamic_shared_bytes = static_cast<std::size_t>(counters) * sizeof(int)};
}

template <class T>
void one_block(KernelExecutor& exec, const Route<T>& a) {
  constexpr const char* kName = "route_one_block";
  constexpr int kBlockWarps = kOneBlockThreads / kWarp;
  void (*kernel)(RouteRows<T>) = nullptr;
  with_row(a.gate.experts, [&](auto per_lane, auto lanes) {
    kernel = route_one_block<T, decltype(per_lane)::value, decltype(lanes)::value>;
  });
  launch(exec, kName, kernel, block_shape(1, kOneBlockThreads, kBlockWarps * a.gate.experts),
         operands(kName, a, kBlockWarps));
}

template <class T>
void two_kernels(KernelExecutor& exec, const Route<T>& a) {
  constexpr const char* kName = "route_two_kernels";
  void (*gate)(RouteRows<T>, int*) = nullptr;
  int at_once = 1;
  with_row(a.gate.experts, [&](auto per_lane, auto lanes) {
    gate = route_gate_count<T, decltype(per_lane)::value, decltype(lanes)::value>;
    at_once = kWarp / decltype(lanes)::value;
  });
  const std::int64_t fewest = std::int64_t{kWarps} * at_once;  // tokens that fill a block
  const std::int64_t chunks =
      std::clamp<std::int64_t>(tiles_along(a.gate.tokens, fewest), 1, kMostChunks);
  const RouteRows<T> p = operands(kName, a, chunks * kWarps);
  const Workspace<int> table(exec, chunks * a.gate.experts);
  launch(exec, "route_gate_count", gate, block_shape(chunks, kThreads, a.gate.experts), p,
         table.data());
  launch(exec, "route_place", route_place<T>,
         block_shape(chunks, kThreads, kWarps * a.gate.experts), p, table.data());
}

template <class T>
bool in_registers(const Route<T>& a) {
  return a.gate.experts <= kMostInRegisters;
}
template <class T>
bool few_tokens(const Route<T>& a) {
  return a.gate.tokens <= 256;
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, Route<T>> = std::to_array<Rung<KernelExecutor, Route<T>>>(
    {{"route_separate_kernels", route_separate_kernels<KernelExecutor, T>},
     {"route_two_kernels", two_kernels<T>, {"at most 256 experts", in_registers<T>}},
     {"route_one_block",
      one_block<T>,
      {"at most 256 experts", in_registers<T>},
      {"at most 256 tokens", few_tokens<T>}}});

template struct Provides<KernelExecutor, Route<float>, Route<double>>;

}  // namespace switchyard::kernels

#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/launch.h"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/top_k_row.cuh"

// These kernels find the k largest of every row. The logits are read once if all goes well: E
// elements a token, against k indices written. Everything else is comparisons, k rounds over the
// row.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerBlock = kThreads / kWarp;

/// The operands of one call.
template <class T>
struct TopKRows {
  const T* logits;  // [tokens, experts]
  std::int64_t tokens;
  int experts, k;
  std::int64_t* indices;  // [tokens, k]
  FaultReport bad_row;
};

// topk_thread_per_token
//   1. each thread takes one row and makes k rounds over it;
//   2. a round finds the greatest logit behind the one chosen last, in the order (greater value,
//      lower expert), and writes its expert.
// Reads a row k times, 4 bytes at a time, with neighbouring threads a whole row apart: each request
// of a warp touches 32 sectors. 1000 tokens keep 32 warps busy, on a GPU that runs thousands.
template <class T>
__global__ void topk_thread_per_token(TopKRows<T> p) {
  const std::int64_t token = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (token >= p.tokens) return;
  const T* const row = p.logits + token * p.experts;
  RowCheck<T> check;
  Candidate<T> last = before_all<T>();
  for (int j = 0; j < p.k; ++j) {
    Candidate<T> best = behind_all<T>();
    for (int e = 0; e < p.experts; ++e) {
      const Candidate<T> mine = check.see(row[e], e);
      if (comes_before(last, mine) && comes_before(mine, best)) best = mine;
    }
    p.indices[token * p.k + j] = best.expert;
    last = best;
  }
  if (check.bad()) report(p.bad_row, token);
}

/// The token of this warp.
__device__ __forceinline__ std::int64_t warp_token() {
  return std::int64_t{blockIdx.x} * kRowsPerBlock + static_cast<int>(threadIdx.x) / kWarp;
}

// topk_warp_per_token
//   1. a warp takes one row; in a round lane l looks at the experts l, l + 32, ...;
//   2. ten shuffles find the first of the 32 candidates, which all lanes then know;
//   3. lane 0 writes it.
// It makes the same reads, but coalesced and 32 times as many at once; from the second round on
// they hit the cache. It takes any number of experts.
template <class T>
__global__ void topk_warp_per_token(TopKRows<T> p) {
  const std::int64_t token = warp_token();
  if (token >= p.tokens) return;  // the whole warp
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  const T* const row = p.logits + token * p.experts;
  RowCheck<T> check;
  Candidate<T> last = before_all<T>();
  for (int j = 0; j < p.k; ++j) {
    Candidate<T> best = behind_all<T>();
    for (int e = lane; e < p.experts; e += kWarp) {
      const Candidate<T> mine = check.see(row[e], e);
      if (comes_before(last, mine) && comes_before(mine, best)) best = mine;
    }
    last = warp_first(best);
    if (lane == 0) p.indices[token * p.k + j] = last.expert;
  }
  check = check.over_lanes();
  if (lane == 0 && check.bad()) report(p.bad_row, token);
}

// topk_warp_in_registers
//   1. a warp reads its row once, into kPerLane registers of each lane;
//   2. k rounds on the registers, as above; lane j keeps choice j;
//   3. the lanes write up to 32 choices in one request.
// Reads the logits exactly once and writes each row's indices together: the compulsory bytes.
template <class T, int kPerLane>
__global__ void topk_warp_in_registers(TopKRows<T> p) {
  const std::int64_t token = warp_token();
  if (token >= p.tokens) return;  // the whole warp
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  RowInRegisters<T, kPerLane> row;
  row.load(p.logits + token * p.experts, p.experts);
  Candidate<T> last = before_all<T>();
  for (int first = 0; first < p.k; first += kWarp) {
    int mine = 0;
    for (int j = first; j < p.k && j < first + kWarp; ++j) {
      last = row.next(last, p.experts);
      if (lane == j - first) mine = last.expert;
    }
    if (first + lane < p.k) p.indices[token * p.k + first + lane] = mine;
  }
  if (lane == 0 && row.check.bad()) report(p.bad_row, token);
}

// ---- launchers

/// Launches a kernel in which a block takes `tokens_per_block` rows.
template <class T>
void run_kernel(KernelExecutor& exec, const char* name, void (*kernel)(TopKRows<T>),
                int tokens_per_block, const TopK<T>& a) {
  const TopKRows<T> p = {.logits = a.logits,
                         .tokens = a.tokens,
                         .experts = checked_extent(name, "experts", a.experts),
                         .k = checked_extent(name, "k", a.k),
                         .indices = a.indices,
                         .bad_row = a.bad_row};
  launch(exec, name, kernel, Line{{tiles_along(a.tokens, tokens_per_block)}, kThreads}, p);
}

template <class T>
void thread_per_token(KernelExecutor& exec, const TopK<T>& a) {
  run_kernel(exec, "topk_thread_per_token", topk_thread_per_token<T>, kThreads, a);
}

template <class T>
void warp_per_token(KernelExecutor& exec, const TopK<T>& a) {
  run_kernel(exec, "topk_warp_per_token", topk_warp_per_token<T>, kRowsPerBlock, a);
}

template <class T>
void warp_in_registers(KernelExecutor& exec, const TopK<T>& a) {
  void (*kernel)(TopKRows<T>) = nullptr;
  with_per_lane(a.experts, [&](auto per_lane) {
    kernel = topk_warp_in_registers<T, decltype(per_lane)::value>;
  });
  run_kernel(exec, "topk_warp_in_registers", kernel, kRowsPerBlock, a);
}

template <class T>
bool fits_registers(const TopK<T>& a) {
  return a.experts <= kMostInRegisters;
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, TopK<T>> = std::to_array<Rung<KernelExecutor, TopK<T>>>(
    {{"topk_thread_per_token", thread_per_token<T>},
     {"topk_warp_per_token", warp_per_token<T>},
     {"topk_warp_in_registers", warp_in_registers<T>, {"at most 256 experts", fits_registers<T>}}});

template struct Provides<KernelExecutor, TopK<float>, TopK<double>>;

}  // namespace switchyard::kernels

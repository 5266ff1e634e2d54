#include <stdexcept>
#include <string>

#include "kernels/api/routing.h"
#include "kernels/cuda/lowest_report.cuh"
#include "kernels/cuda/product_launch.cuh"
#include "kernels/cuda/top_k_row.cuh"

// The k largest of every row. The logits are read once if all goes well: E elements a token,
// against k indices written. Everything else is comparisons, k rounds over the row.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerBlock = kThreads / kWarp;

/// The operands of one call.
template <class T>
struct TopK {
  const T* logits;  // [tokens, experts]
  std::int64_t tokens;
  int experts, k;
  std::int64_t* indices;        // [tokens, k]
  unsigned long long* bad_row;  // lowest_report.cuh
};

// topk_thread_per_token
//   1. each thread takes one row and makes k rounds over it;
//   2. a round finds the greatest logit behind the one chosen last, in the order (greater value,
//      lower expert), and writes its expert.
// Reads a row k times, 4 bytes at a time, with neighbouring threads a whole row apart: each request
// of a warp touches 32 sectors. 1000 tokens keep 32 warps busy, on a GPU that runs thousands.
template <class T>
__global__ void topk_thread_per_token(TopK<T> p) {
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
  if (check.bad()) report_lowest(p.bad_row, token);
}

/// The token of this warp.
__device__ __forceinline__ std::int64_t warp_token() {
  return std::int64_t{blockIdx.x} * kRowsPerBlock + static_cast<int>(threadIdx.x) / kWarp;
}

// topk_warp_per_token
//   1. a warp takes one row; in a round lane l looks at the experts l, l + 32, ...;
//   2. ten shuffles find the first of the 32 candidates, which all lanes then know;
//   3. lane 0 writes it.
// The same reads, but coalesced and 32 times as many at once; from the second round on they hit the
// cache. Any number of experts.
template <class T>
__global__ void topk_warp_per_token(TopK<T> p) {
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
  if (lane == 0 && check.bad()) report_lowest(p.bad_row, token);
}

// topk_warp_in_registers
//   1. a warp reads its row once, into kPerLane registers of each lane;
//   2. k rounds on the registers, as above; lane j keeps choice j;
//   3. the lanes write up to 32 choices in one request.
// Reads the logits exactly once and writes each row's indices together: the compulsory bytes.
template <class T, int kPerLane>
__global__ void topk_warp_in_registers(TopK<T> p) {
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
  if (lane == 0 && row.check.bad()) report_lowest(p.bad_row, token);
}

// ---- launchers

/// With `tokens_per_block` rows a block of the kernel. Returns the first bad row.
template <class Exec, class T>
std::int64_t run_kernel(Exec& exec, const char* name, void (*kernel)(TopK<T>), int tokens_per_block,
                        const T* logits, std::int64_t tokens, std::int64_t experts, std::int64_t k,
                        std::int64_t* indices) {
  const LowestReport report(exec);
  const TopK<T> p = {.logits = logits,
                     .tokens = tokens,
                     .experts = checked_extent(name, "experts", experts),
                     .k = checked_extent(name, "k", k),
                     .indices = indices,
                     .bad_row = report.word()};
  launch_blocks(exec, name, kernel, {tiles_along(tokens, tokens_per_block)}, kThreads, p);
  return report.read();
}

template <class Exec, class T>
std::int64_t run_thread_per_token(Exec& exec, const T* logits, std::int64_t tokens,
                                  std::int64_t experts, std::int64_t k, std::int64_t* indices) {
  return run_kernel(exec, "topk_thread_per_token", topk_thread_per_token<T>, kThreads, logits,
                    tokens, experts, k, indices);
}

template <class Exec, class T>
std::int64_t run_warp_per_token(Exec& exec, const T* logits, std::int64_t tokens,
                                std::int64_t experts, std::int64_t k, std::int64_t* indices) {
  return run_kernel(exec, "topk_warp_per_token", topk_warp_per_token<T>, kRowsPerBlock, logits,
                    tokens, experts, k, indices);
}

template <class Exec, class T>
std::int64_t run_in_registers(Exec& exec, const T* logits, std::int64_t tokens,
                              std::int64_t experts, std::int64_t k, std::int64_t* indices) {
  constexpr const char* kName = "topk_warp_in_registers";
  if (experts > kMostInRegisters) {
    throw std::invalid_argument(std::string("[") + kName + "] needs at most 256 experts, got " +
                                std::to_string(experts));
  }
  void (*kernel)(TopK<T>) = nullptr;
  with_per_lane(experts, [&](auto per_lane) {
    kernel = topk_warp_in_registers<T, decltype(per_lane)::value>;
  });
  return run_kernel(exec, kName, kernel, kRowsPerBlock, logits, tokens, experts, k, indices);
}

}  // namespace

template <class Exec, class T>
VariantLadder<TopKFunction<Exec, T>> top_k_ladder() {
  static constexpr Variant<TopKFunction<Exec, T>> kLadder[] = {
      {"topk_thread_per_token", "", run_thread_per_token<Exec, T>},
      {"topk_warp_per_token", "", run_warp_per_token<Exec, T>},
      {"topk_warp_in_registers", "at most 256 experts", run_in_registers<Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
std::int64_t top_k(Exec& exec, const T* logits, std::int64_t tokens, std::int64_t experts,
                   std::int64_t k, std::int64_t* indices) {
  const auto run =
      experts <= kMostInRegisters ? run_in_registers<Exec, T> : run_warp_per_token<Exec, T>;
  return run(exec, logits, tokens, experts, k, indices);
}

#define SWITCHYARD_INSTANTIATE_TOP_K(T)                                                            \
  template VariantLadder<TopKFunction<KernelExecutor, T>> top_k_ladder<KernelExecutor, T>();              \
  template std::int64_t top_k(KernelExecutor&, const T*, std::int64_t, std::int64_t, std::int64_t, \
                              std::int64_t*);
SWITCHYARD_INSTANTIATE_TOP_K(float)
SWITCHYARD_INSTANTIATE_TOP_K(double)
#undef SWITCHYARD_INSTANTIATE_TOP_K

}  // namespace switchyard::kernels

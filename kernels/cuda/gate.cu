#include "kernels/api/gate.h"

#include <cmath>
#include <limits>

#include "kernels/api/provide.h"
#include "kernels/common/gate_logits.h"
#include "kernels/common/launch.h"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/gate_separate.cuh"
#include "kernels/cuda/top_k_row.cuh"

// The gate: from logits [tokens, experts] to the k experts of each token and their weights. All
// arithmetic is a few operations a logit; the rungs differ in how often the logits pass through
// memory, and in how many lanes have something to do. The naive rung stands in gate_separate.cu.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// The operands of the fused rungs.
template <class T>
struct GateRows {
  GateLogits<T> values;
  std::int64_t tokens;
  int experts, k;
  bool over_all;          // softmax over all experts, not over the kept
  T* weights;             // [tokens, k]
  std::int64_t* indices;  // [tokens, k]
  FaultReport bad_row;

  /// A token's values as RowInRegisters reads them.
  struct Row {
    const GateLogits<T>& values;
    std::int64_t first;
    bool write;
    __device__ T operator[](int expert) const {
      return write ? values.written(first + expert) : values(first + expert);
    }
  };
  /// `write`: v goes where it was asked for.
  __device__ Row row(std::int64_t token, bool write) const {
    return {values, token * experts, write};
  }
};

// gate_warp_per_token
//   1. a warp takes a token; lane l computes v of the experts l, l + 32, ... from the logits, noise
//      and dropout from their counters, into registers, and writes it if somebody asks for it;
//   2. k rounds choose, as in top_k: ten shuffles each; a lane notes in which round its experts
//      were chosen, and the first round's value is the row's maximum;
//   3. each lane exponentiates its values; five shuffles add up those that the order counts;
//   4. the lanes that own a chosen expert write its index and weight.
// Reads 4 bytes a logit (8 with noise) and writes 12 a choice (float32): the compulsory bytes, in
// one launch. Nothing in between touches memory. What it costs is instructions: issuing them takes
// 4 to 10 times as long as moving the bytes, the more with noise, for which each lane draws a pair
// of normal numbers and uses one. It saves the other launches and their traffic, not arithmetic.
//
// gate_lanes_per_token
//   1. the same with 4, 8 or 16 lanes a token: the lanes that a row of few experts leaves idle take
//      the next tokens; shuffles stay within a token's lanes.
// With 8 experts a warp takes 4 tokens at once, reads 128 neighbouring bytes instead of 32, and a
// round takes six shuffles instead of ten.
template <class T, int kPerLane, int kLanes>
__global__ void gate_in_registers(GateRows<T> p) {
  constexpr int kTokens = kThreads / kLanes;
  const std::int64_t mine = std::int64_t{blockIdx.x} * kTokens + threadIdx.x / kLanes;
  const bool exists = mine < p.tokens;  // all lanes of a warp take part in its shuffles
  const std::int64_t token = exists ? mine : p.tokens - 1;
  RowInRegisters<T, kPerLane, kLanes> row;
  row.load(p.row(token, exists), p.experts);

  int choice[kPerLane];  // the round that chose this lane's expert i, or -1
  for (int i = 0; i < kPerLane; ++i) choice[i] = -1;
  Candidate<T> last = before_all<T>();
  T most = T{0};
  for (int j = 0; j < p.k; ++j) {
    last = row.next(last, p.experts);
    if (j == 0) most = last.value;
    SWITCHYARD_UNROLL
    for (int i = 0; i < kPerLane; ++i) choice[i] = row.expert(i) == last.expert ? j : choice[i];
  }

  T sum = T{0};
  SWITCHYARD_UNROLL
  for (int i = 0; i < kPerLane; ++i) {
    row.value[i] = std::exp(row.value[i] - most);  // 0 where there is no expert
    if (p.over_all || choice[i] >= 0) sum += row.value[i];
  }
  sum = warp_sum<kLanes>(sum);
  if (!exists) return;
  SWITCHYARD_UNROLL
  for (int i = 0; i < kPerLane; ++i) {
    if (choice[i] < 0) continue;
    p.weights[token * p.k + choice[i]] = row.value[i] / sum;
    p.indices[token * p.k + choice[i]] = row.expert(i);
  }
  const bool bad = row.check.bad() || most == std::numeric_limits<T>::infinity();
  if (threadIdx.x % kLanes == 0 && bad) report(p.bad_row, token);
}

// ---- launchers

constexpr int kMostForLanes = 16;

template <class T>
void run_fused(KernelExecutor& exec, const char* name, void (*kernel)(GateRows<T>), int lanes,
               const Gate<T>& a) {
  const GateRows<T> p = {.values = GateLogits<T>(a),
                         .tokens = a.tokens,
                         .experts = checked_extent(name, "experts", a.experts),
                         .k = checked_extent(name, "k", a.k),
                         .over_all = a.order == GateOrder::kSoftmaxTopK,
                         .weights = a.weights,
                         .indices = a.indices,
                         .bad_row = a.bad_row};
  launch(exec, name, kernel, Line{{tiles_along(a.tokens, kThreads / lanes)}, kThreads}, p);
}

template <class T>
void warp_per_token(KernelExecutor& exec, const Gate<T>& a) {
  void (*kernel)(GateRows<T>) = nullptr;
  with_per_lane(a.experts, [&](auto per_lane) {
    kernel = gate_in_registers<T, decltype(per_lane)::value, kWarp>;
  });
  run_fused(exec, "gate_warp_per_token", kernel, kWarp, a);
}

template <class T>
void lanes_per_token(KernelExecutor& exec, const Gate<T>& a) {
  const int lanes = a.experts <= 4 ? 4 : a.experts <= 8 ? 8 : 16;
  const auto kernel = lanes == 4   ? gate_in_registers<T, 1, 4>
                      : lanes == 8 ? gate_in_registers<T, 1, 8>
                                   : gate_in_registers<T, 1, 16>;
  run_fused(exec, "gate_lanes_per_token", kernel, lanes, a);
}

template <std::int64_t kMost, class T>
bool at_most_experts(const Gate<T>& a) {
  return a.experts <= kMost;
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, Gate<T>> = std::to_array<Rung<KernelExecutor, Gate<T>>>(
    {{"gate_separate_kernels", gate_separate_kernels<T>},
     {"gate_warp_per_token",
      warp_per_token<T>,
      {"at most 256 experts", at_most_experts<kMostInRegisters, T>}},
     {"gate_lanes_per_token",
      lanes_per_token<T>,
      {"at most 16 experts", at_most_experts<kMostForLanes, T>}}});

template struct Provides<KernelExecutor, Gate<float>, Gate<double>>;

}  // namespace switchyard::kernels

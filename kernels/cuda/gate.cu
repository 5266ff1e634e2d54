#include "kernels/api/gate.h"

#include <cmath>
#include <limits>

#include "kernels/api/elementwise.h"
#include "kernels/api/provide.h"
#include "kernels/api/reduction.h"
#include "kernels/api/run.h"
#include "kernels/api/softmax.h"
#include "kernels/common/gate_logits.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/launch_blocks.cuh"
#include "kernels/cuda/lowest_report.cuh"
#include "kernels/cuda/top_k_row.cuh"

// The gate: from logits [tokens, experts] to the k experts of each token and their weights. All
// arithmetic is a few operations a logit; the rungs differ in how often the logits pass through
// memory, and in how many lanes have something to do.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// gate_separate_kernels
//   1. random_normal, map_binary (twice) and map_unary write v = (logits + deviation · normal) /
//      temperature;
//   2. top_k reads it and writes the indices;
//   3. gather and softmax, or softmax and gather, make the weights; renormalising takes a sum and a
//      quotient more;
//   4. a kernel of its own looks for rows whose greatest value is +inf.
// The textbook's way, from other families' kernels, in 4 to 10 launches. In float32 and for each
// token: 36 bytes an expert for v, 4 to choose, 32 a choice for its weight; a softmax over all
// moves 8 an expert more.
template <class T>
__global__ void gate_find_infinity(const T* __restrict__ values,
                                   const std::int64_t* __restrict__ indices, std::int64_t tokens,
                                   std::int64_t experts, std::int64_t k,
                                   unsigned long long* bad_row) {
  const std::int64_t t = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (t >= tokens) return;
  const T most = values[t * experts + indices[t * k]];
  if (most == std::numeric_limits<T>::infinity()) report_lowest(bad_row, t);
}

/// The operands of the fused rungs.
template <class T>
struct GateRows {
  GateLogits<T> values;
  std::int64_t tokens;
  int experts, k;
  bool over_all;                // softmax over all experts, not over the kept
  T* weights;                   // [tokens, k]
  std::int64_t* indices;        // [tokens, k]
  unsigned long long* bad_row;  // lowest_report.cuh

  /// A token's values as RowInRegisters reads them.
  struct Row {
    const GateLogits<T>& values;
    std::int64_t first;
    __device__ T operator[](int expert) const { return values(first + expert); }
  };
  __device__ Row row(std::int64_t token) const { return {values, token * experts}; }
};

// gate_warp_per_token
//   1. a warp takes a token; lane l computes v of the experts l, l + 32, ... from the logits, and
//      the noise from its counter, into registers;
//   2. k rounds choose, as in top_k: ten shuffles each; a lane notes in which round its experts
//      were chosen, and the first round's value is the row's maximum;
//   3. each lane exponentiates its values; five shuffles add up those that the order counts;
//   4. the lanes that own a chosen expert write its index and weight.
// Reads 4 bytes a logit (8 with noise) and writes 12 a choice (float32): the compulsory bytes, in
// one launch. Nothing in between touches memory. Each lane draws a pair of normal numbers and uses
// one, which is arithmetic against traffic: worth it as long as memory is what a GPU waits for.
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
  row.load(p.row(token), p.experts);

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
  if (threadIdx.x % kLanes == 0 && bad) report_lowest(p.bad_row, token);
}

// ---- launchers

constexpr int kMostForLanes = 16;

/// Writes v where it is not the logits themselves; returns where it stands.
template <class T>
const T* written_values(KernelExecutor& exec, const Gate<T>& a, std::int64_t count, T* space) {
  const T* values = a.logits;
  const std::int64_t sizes[] = {count};
  const BroadcastPlan plan = plan_broadcast(sizes, sizes, sizes);
  if (a.deviation != nullptr) {
    run(exec, RandomNormal<T>{.count = count, .y = space, .stretch = a.noise});
    run(exec, MapBinary<Mul, T>{.a = space, .b = a.deviation, .y = space, .plan = plan});
    run(exec, MapBinary<Add, T>{.a = a.logits, .b = space, .y = space, .plan = plan});
    values = space;
  }
  if (a.temperature != 1.0) {
    run(exec, MapUnary<Quotient, T>{
                  .op = Quotient{a.temperature}, .x = values, .y = space, .count = count});
    values = space;
  }
  return values;
}

template <class T>
void write_weights(KernelExecutor& exec, const Gate<T>& a, const T* values) {
  const auto gathered = [&](const T* from, T* to) {
    run(exec, Gather<T>{.x = from,
                        .indices = a.indices,
                        .tokens = a.tokens,
                        .columns = a.experts,
                        .k = a.k,
                        .y = to});
  };
  if (a.order == GateOrder::kTopKSoftmax) {
    const Workspace<T> kept(exec, a.tokens * a.k);
    gathered(values, kept.data());
    run(exec,
        SoftmaxForward<T>{.x = kept.data(), .y = a.weights, .rows = a.tokens, .columns = a.k});
    return;
  }
  const Workspace<T> all(exec, a.tokens * a.experts);
  run(exec,
      SoftmaxForward<T>{.x = values, .y = all.data(), .rows = a.tokens, .columns = a.experts});
  gathered(all.data(), a.weights);
  if (a.order == GateOrder::kSoftmaxTopK) return;
  const Workspace<T> sums(exec, a.tokens);
  run(exec,
      SumMiddle<T>{.x = a.weights, .y = sums.data(), .outer = a.tokens, .reduce = a.k, .inner = 1});
  const std::int64_t kept[] = {a.tokens, a.k};
  const std::int64_t rows[] = {a.tokens, 1};
  run(exec, MapBinary<Div, T>{.a = a.weights,
                              .b = sums.data(),
                              .y = a.weights,
                              .plan = plan_broadcast(kept, kept, rows)});
}

template <class T>
void separate_kernels(KernelExecutor& exec, const Gate<T>& a) {
  constexpr const char* kName = "gate_separate_kernels";
  const std::int64_t count = checked_extent(kName, "tokens * experts", {a.tokens, a.experts});
  if (count == 0) return;
  const bool written = a.deviation != nullptr || a.temperature != 1.0;
  Workspace<T> space(exec, written ? count : 0);
  const T* const values = written_values(exec, a, count, space.data());
  run(exec, TopK<T>{.logits = values,
                    .tokens = a.tokens,
                    .experts = a.experts,
                    .k = a.k,
                    .indices = a.indices,
                    .bad_row = a.bad_row});
  launch_blocks(exec, "gate_find_infinity", gate_find_infinity<T>,
                {tiles_along(a.tokens, kThreads)}, kThreads, values, a.indices, a.tokens, a.experts,
                a.k, a.bad_row);
  write_weights(exec, a, values);
}

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
  launch_blocks(exec, name, kernel, {tiles_along(a.tokens, kThreads / lanes)}, kThreads, p);
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
    {{"gate_separate_kernels", separate_kernels<T>},
     {"gate_warp_per_token",
      warp_per_token<T>,
      {"at most 256 experts", at_most_experts<kMostInRegisters, T>}},
     {"gate_lanes_per_token",
      lanes_per_token<T>,
      {"at most 16 experts", at_most_experts<kMostForLanes, T>}}});

template struct Provides<KernelExecutor, Gate<float>, Gate<double>>;

}  // namespace switchyard::kernels

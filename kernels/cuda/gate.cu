#include "kernels/api/gate.h"

#include <cmath>
#include <limits>

#include "kernels/api/elementwise.h"
#include "kernels/api/reduction.h"
#include "kernels/api/routing.h"
#include "kernels/api/softmax.h"
#include "kernels/common/gate_logits.h"
#include "kernels/cuda/lowest_report.cuh"
#include "kernels/cuda/product_launch.cuh"
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
// The textbook's way, from the families' entry points, in 4 to 10 launches. In float32 and for each
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
struct Gate {
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
//   were
//      chosen, and the first round's value is the row's maximum;
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
__global__ void gate_in_registers(Gate<T> p) {
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

std::int64_t lower_row(std::int64_t a, std::int64_t b) {
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

/// v where it is not the logits themselves.
template <class Exec, class T>
const T* written_values(Exec& exec, std::int64_t count, const GateOptions& options, const T* logits,
                        const T* deviation, Workspace<T>& space) {
  const T* values = logits;
  if (deviation != nullptr) {
    const std::int64_t sizes[] = {count};
    const BroadcastPlan plan = plan_broadcast(sizes, sizes, sizes);
    random_normal(exec, count, space.data(), options.noise);
    map_binary(exec, Mul{}, static_cast<const T*>(space.data()), deviation, space.data(), plan);
    map_binary(exec, Add{}, logits, static_cast<const T*>(space.data()), space.data(), plan);
    values = space.data();
  }
  if (options.temperature != 1.0) {
    map_unary(exec, Quotient{options.temperature}, values, space.data(), count);
    values = space.data();
  }
  return values;
}

template <class Exec, class T>
void write_weights(Exec& exec, const GateShape& s, GateOrder order, const T* values,
                   const std::int64_t* indices, T* weights) {
  if (order == GateOrder::kTopKSoftmax) {
    const Workspace<T> kept(exec, s.tokens * s.k);
    gather(exec, values, indices, s.tokens, s.experts, s.k, kept.data());
    softmax_forward(exec, static_cast<const T*>(kept.data()), weights, s.tokens, s.k);
    return;
  }
  const Workspace<T> all(exec, s.tokens * s.experts);
  softmax_forward(exec, values, all.data(), s.tokens, s.experts);
  gather(exec, static_cast<const T*>(all.data()), indices, s.tokens, s.experts, s.k, weights);
  if (order == GateOrder::kSoftmaxTopK) return;
  const Workspace<T> sums(exec, s.tokens);
  sum_middle(exec, static_cast<const T*>(weights), sums.data(), s.tokens, s.k, std::int64_t{1});
  const std::int64_t kept[] = {s.tokens, s.k};
  const std::int64_t rows[] = {s.tokens, 1};
  map_binary(exec, Div{}, static_cast<const T*>(weights), static_cast<const T*>(sums.data()),
             weights, plan_broadcast(kept, kept, rows));
}

template <class Exec, class T>
std::int64_t run_separate(Exec& exec, const GateShape& s, const GateOptions& options,
                          const T* logits, const T* deviation, T* weights, std::int64_t* indices) {
  constexpr const char* kName = "gate_separate_kernels";
  const std::int64_t count = checked_extent(kName, "tokens * experts", {s.tokens, s.experts});
  if (count == 0) return -1;
  const bool written = deviation != nullptr || options.temperature != 1.0;
  Workspace<T> space(exec, written ? count : 0);
  const T* const values = written_values(exec, count, options, logits, deviation, space);
  const std::int64_t unranked = top_k(exec, values, s.tokens, s.experts, s.k, indices);
  const LowestReport infinite(exec);
  launch_blocks(exec, "gate_find_infinity", gate_find_infinity<T>,
                {tiles_along(s.tokens, kThreads)}, kThreads, values, indices, s.tokens, s.experts,
                s.k, infinite.word());
  write_weights(exec, s, options.order, values, indices, weights);
  return lower_row(unranked, infinite.read());
}

template <class Exec, class T>
std::int64_t run_fused(Exec& exec, const char* name, void (*kernel)(Gate<T>), int lanes,
                       const GateShape& s, const GateOptions& options, const T* logits,
                       const T* deviation, T* weights, std::int64_t* indices) {
  const LowestReport report(exec);
  const Gate<T> p = {.values = GateLogits<T>(options, logits, deviation),
                     .tokens = s.tokens,
                     .experts = checked_extent(name, "experts", s.experts),
                     .k = checked_extent(name, "k", s.k),
                     .over_all = options.order == GateOrder::kSoftmaxTopK,
                     .weights = weights,
                     .indices = indices,
                     .bad_row = report.word()};
  launch_blocks(exec, name, kernel, {tiles_along(s.tokens, kThreads / lanes)}, kThreads, p);
  return report.read();
}

template <class Exec, class T>
std::int64_t run_warp(Exec& exec, const GateShape& s, const GateOptions& options, const T* logits,
                      const T* deviation, T* weights, std::int64_t* indices) {
  constexpr const char* kName = "gate_warp_per_token";
  require(kName, s.experts <= kMostInRegisters, "at most 256 experts");
  void (*kernel)(Gate<T>) = nullptr;
  with_per_lane(s.experts, [&](auto per_lane) {
    kernel = gate_in_registers<T, decltype(per_lane)::value, kWarp>;
  });
  return run_fused(exec, kName, kernel, kWarp, s, options, logits, deviation, weights, indices);
}

template <class Exec, class T>
std::int64_t run_lanes(Exec& exec, const GateShape& s, const GateOptions& options, const T* logits,
                       const T* deviation, T* weights, std::int64_t* indices) {
  constexpr const char* kName = "gate_lanes_per_token";
  require(kName, s.experts <= kMostForLanes, "at most 16 experts");
  const int lanes = s.experts <= 4 ? 4 : s.experts <= 8 ? 8 : 16;
  const auto kernel = lanes == 4   ? gate_in_registers<T, 1, 4>
                      : lanes == 8 ? gate_in_registers<T, 1, 8>
                                   : gate_in_registers<T, 1, 16>;
  return run_fused(exec, kName, kernel, lanes, s, options, logits, deviation, weights, indices);
}

}  // namespace

template <class Exec, class T>
Ladder<GateFunction<Exec, T>> gate_ladder() {
  static constexpr Variant<GateFunction<Exec, T>> kLadder[] = {
      {"gate_separate_kernels", "", run_separate<Exec, T>},
      {"gate_warp_per_token", "at most 256 experts", run_warp<Exec, T>},
      {"gate_lanes_per_token", "at most 16 experts", run_lanes<Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
std::int64_t gate(Exec& exec, const GateShape& shape, const GateOptions& options, const T* logits,
                  const T* deviation, T* weights, std::int64_t* indices) {
  const auto run = shape.experts <= kMostForLanes      ? run_lanes<Exec, T>
                   : shape.experts <= kMostInRegisters ? run_warp<Exec, T>
                                                       : run_separate<Exec, T>;
  return run(exec, shape, options, logits, deviation, weights, indices);
}

#define SWITCHYARD_INSTANTIATE_GATE(T)                                                        \
  template Ladder<GateFunction<KernelExecutor, T>> gate_ladder<KernelExecutor, T>();          \
  template std::int64_t gate(KernelExecutor&, const GateShape&, const GateOptions&, const T*, \
                             const T*, T*, std::int64_t*);
SWITCHYARD_INSTANTIATE_GATE(float)
SWITCHYARD_INSTANTIATE_GATE(double)

}  // namespace switchyard::kernels

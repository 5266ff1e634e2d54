#pragma once

#include <cmath>
#include <limits>

#include "kernels/common/gate_logits.h"
#include "kernels/common/launch.h"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/top_k_row.cuh"

// One token's gate in the registers of a few lanes: what the gate's kernels and those that go on
// from it share.

namespace switchyard::kernels {

/// The operands of a gate whose rows fit into registers.
template <class T>
struct GateRows {
  GateLogits<T> values;
  std::int64_t tokens;
  int experts, k;
  bool over_all;          // softmax over all experts, not over the kept
  T* weights;             // [tokens, k]
  std::int64_t* indices;  // [tokens, k]
  FaultReport bad_row;

  /// Errors: Refusal naming the kernel for extents over 2^31.
  GateRows(const char* name, const Gate<T>& a)
      : values(a),
        tokens(a.tokens),
        experts(checked_extent(name, "experts", a.experts)),
        k(checked_extent(name, "k", a.k)),
        over_all(a.order == GateOrder::kSoftmaxTopK),
        weights(a.weights),
        indices(a.indices),
        bad_row(a.bad_row) {}

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

/// The gate of one token by kLanes lanes, each with the experts l, l + kLanes, ...; all lanes of
/// the warp must call it. Writes weights, indices and values where the token `exists`; another one
/// only takes part in the shuffles. choice[i] is the round that chose this lane's expert i, or -1.
///   1. lane l computes v of its experts from the logits, noise and dropout from their counters,
///      into registers, and writes it if somebody asks for it;
///   2. k rounds choose, as in top_k: ten shuffles each for 32 lanes; a lane notes in which round
///      its experts were chosen, and the first round's value is the row's maximum;
///   3. each lane exponentiates its values; five shuffles add up those that the order counts;
///   4. the lanes that own a chosen expert write its index and weight.
template <int kLanes, class T, int kPerLane>
__device__ __forceinline__ void gate_token(const GateRows<T>& p, std::int64_t token, bool exists,
                                           int (&choice)[kPerLane]) {
  RowInRegisters<T, kPerLane, kLanes> row;
  row.load(p.row(token, exists), p.experts);

  SWITCHYARD_UNROLL
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

}  // namespace switchyard::kernels

#include "kernels/cuda/gate_separate.cuh"

#include <cmath>
#include <limits>

#include "kernels/api/elementwise.h"
#include "kernels/api/reduction.h"
#include "kernels/api/routing.h"
#include "kernels/api/run.h"
#include "kernels/api/softmax.h"
#include "kernels/common/launch.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/fault.cuh"

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// gate_separate_kernels
//   1. random_normal, map_binary (twice), dropout and map_unary write v = dropout(logits +
//      deviation · normal) / temperature;
//   2. top_k reads it and writes the indices;
//   3. gather and softmax, or softmax and gather, make the weights; renormalising takes a sum and a
//      quotient more;
//   4. a kernel of its own looks for rows whose greatest value is +inf.
// This is the textbook's way, from other families' kernels, in 4 to 11 launches. In float32 each
// token moves up to 44 bytes an expert for v, 4 to choose and 32 a choice for its weight; a softmax
// over all moves 8 an expert more.
template <class T>
__global__ void gate_find_infinity(const T* __restrict__ values,
                                   const std::int64_t* __restrict__ indices, std::int64_t tokens,
                                   std::int64_t experts, std::int64_t k, FaultReport bad_row) {
  const std::int64_t t = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (t >= tokens) return;
  const T most = values[t * experts + indices[t * k]];
  if (most == std::numeric_limits<T>::infinity()) report(bad_row, t);
}

/// Writes v to `to` where it is not the logits themselves or somebody asks for it; returns where it
/// stands. `between` holds what dropout reads.
template <class T>
const T* written_values(KernelExecutor& exec, const Gate<T>& a, std::int64_t count, T* between,
                        T* to) {
  const T* values = a.logits;
  const std::int64_t sizes[] = {count};
  const BroadcastPlan plan = plan_broadcast(sizes, sizes, sizes);
  if (a.deviation != nullptr) {
    T* const noisy = a.dropout > 0.0 ? between : to;
    run(exec, RandomNormal<T>{.y = noisy, .count = count, .stretch = a.noise});
    run(exec, MapBinary<Mul, T>{.a = noisy, .b = a.deviation, .y = noisy, .plan = plan});
    run(exec, MapBinary<Add, T>{.a = a.logits, .b = noisy, .y = noisy, .plan = plan});
    values = noisy;
  }
  if (a.dropout > 0.0) {
    run(exec, Dropout<T>{.x = values, .y = to, .count = count, .p = a.dropout, .stretch = a.mask});
    values = to;
  }
  if (a.temperature != 1.0 || (a.values != nullptr && values != a.values)) {
    run(exec,
        MapUnary<Quotient, T>{.op = Quotient{a.temperature}, .x = values, .y = to, .count = count});
    values = to;
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

}  // namespace

template <class T>
void gate_separate_kernels(KernelExecutor& exec, const Gate<T>& a) {
  constexpr const char* kName = "gate_separate_kernels";
  const std::int64_t count = checked_extent(kName, "tokens * experts", {a.tokens, a.experts});
  if (count == 0) return;
  const bool written = a.deviation != nullptr || a.dropout > 0.0 || a.temperature != 1.0;
  const Workspace<T> space(exec, written && a.values == nullptr ? count : 0);
  const Workspace<T> between(exec, a.deviation != nullptr && a.dropout > 0.0 ? count : 0);
  const T* const values =
      written_values(exec, a, count, between.data(), a.values != nullptr ? a.values : space.data());
  run(exec, TopK<T>{.logits = values,
                    .tokens = a.tokens,
                    .experts = a.experts,
                    .k = a.k,
                    .indices = a.indices,
                    .bad_row = a.bad_row});
  launch(exec, "gate_find_infinity", gate_find_infinity<T>,
         Line{{tiles_along(a.tokens, kThreads)}, kThreads}, values, a.indices, a.tokens, a.experts,
         a.k, a.bad_row);
  write_weights(exec, a, values);
}

template void gate_separate_kernels(KernelExecutor&, const Gate<float>&);
template void gate_separate_kernels(KernelExecutor&, const Gate<double>&);

}  // namespace switchyard::kernels

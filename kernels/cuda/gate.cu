#include "kernels/api/gate.h"

#include "kernels/api/provide.h"
#include "kernels/common/launch.h"
#include "kernels/cuda/gate_row.cuh"
#include "kernels/cuda/gate_separate.cuh"

// The gate: from logits [tokens, experts] to the k experts of each token and their weights. All
// arithmetic is a few operations a logit; the rungs differ in how often the logits pass through
// memory, and in how many lanes have something to do. The naive rung stands in gate_separate.cu.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// gate_warp_per_token
//   1. a warp takes a token and keeps its row in registers through all steps (gate_row.cuh).
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
  int choice[kPerLane];
  gate_token<kLanes>(p, exists ? mine : p.tokens - 1, exists, choice);
}

// ---- launchers

constexpr int kMostForLanes = 16;

template <class T>
void run_fused(KernelExecutor& exec, const char* name, void (*kernel)(GateRows<T>), int lanes,
               const Gate<T>& a) {
  const GateRows<T> p(name, a);
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

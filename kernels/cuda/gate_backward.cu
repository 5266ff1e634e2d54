#include "kernels/api/gate_backward.h"

#include "kernels/api/provide.h"
#include "kernels/common/launch.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/softmax_row.cuh"

// The way back through a gate: the gradients of the k weights of each token become those of its
// logits [tokens, experts]. Softmax's backward pass and the way back through the choice were two
// kernels, with a matrix [tokens, k] between them, or three with [tokens, experts] where the
// softmax runs over all. Here nothing is written but the result.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

template <class T>
struct GateGradient {
  const T* gweights;            // [tokens, k]
  const std::int64_t* indices;  // [tokens, k]
  const T* weights;             // [tokens, k]
  const T* values;              // [tokens, experts]
  T* glogits;                   // [tokens, experts]
  std::int64_t tokens;
  int experts, k;
};

/// What the gradients of one token's weights say to one expert: `g` counts from the first choice's.
template <class T>
struct Share {
  T weight;  ///< 0 where the expert was not chosen
  T g;
  bool chosen;
};

/// Looks for `expert` among a token's choices, and adds up the kept weights' mean on the way.
template <class T>
__device__ __forceinline__ Share<T> kept_share(const GateGradient<T>& p, std::int64_t token,
                                               int expert, T& mean) {
  const std::int64_t first = token * p.k;
  const T base = p.gweights[first];
  Share<T> share{T{0}, T{0}, false};
  double part = 0.0;
  for (std::int64_t a = first; a < first + p.k; ++a) {
    const T g = p.gweights[a] - base;
    const T weight = p.weights[a];
    part += double{g} * double{weight};
    if (p.indices[a] == expert) share = {weight, g, true};
  }
  mean = static_cast<T>(part);
  return share;
}

template <class T>
__device__ __forceinline__ T kept_gradient(const GateGradient<T>& p, std::int64_t token,
                                           int expert) {
  T mean;
  const Share<T> share = kept_share(p, token, expert, mean);
  return share.chosen ? share.weight * (share.g - mean) : T{0};
}

/// The gradient of `expert`'s share of all, which counts from the first choice's too.
template <class T>
__device__ __forceinline__ T spread_gradient(const GateGradient<T>& p, std::int64_t token,
                                             int expert) {
  const std::int64_t first = token * p.k;
  T g{0};
  for (std::int64_t a = first; a < first + p.k; ++a) {
    if (p.indices[a] == expert) g = p.gweights[a];
  }
  return g - p.gweights[first];
}

// gate_backward_thread_per_token
//   1. each thread takes a token and walks along its experts; for each it looks through the k
//      choices.
// Neighbouring threads write a row apart: a request touches a sector a token, each written again
// for every expert in it.
//
// gate_backward_warp_per_token
//   1. a warp takes a token, lane l the experts l, l + 32, ...: rows are read and written whole;
//   2. where the softmax runs over all, maximum, sum and mean are put together by 5 shuffles each.
template <class Team, bool kOverAll, class T>
__device__ __forceinline__ void token_gradients(const Team& team, const GateGradient<T>& p,
                                                std::int64_t token) {
  T* const to = p.glogits + token * p.experts;
  if constexpr (!kOverAll) {
    for (int e = team.rank(); e < p.experts; e += team.size()) to[e] = kept_gradient(p, token, e);
  } else {
    const T* const row = p.values + token * p.experts;
    const auto all = exponentials(team, row, p.experts);
    const T sum = static_cast<T>(all.sum());
    const auto share = [&](int e) { return std::exp(row[e] - all.maximum) / sum; };
    double part = 0.0;
    for (int e = team.rank(); e < p.experts; e += team.size()) {
      part += double{spread_gradient(p, token, e)} * double{share(e)};
    }
    const T mean = static_cast<T>(team.combine(part, Plus{}));
    for (int e = team.rank(); e < p.experts; e += team.size()) {
      to[e] = share(e) * (spread_gradient(p, token, e) - mean);
    }
  }
}

template <bool kOverAll, class T>
__global__ void gate_backward_thread_per_token(GateGradient<T> p) {
  const std::int64_t token = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (token < p.tokens) token_gradients<OneThread, kOverAll>(OneThread{}, p, token);
}

template <bool kOverAll, class T>
__global__ void gate_backward_warp_per_token(GateGradient<T> p) {
  const std::int64_t token = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (token < p.tokens) token_gradients<OneWarp, kOverAll>(OneWarp{}, p, token);
}

// gate_backward_thread_per_output
//   1. each thread takes one logit, walks once along its token's k choices, and finds the mean and
//      whether its expert is among them;
//   2. it writes the gradient, or 0.
// For the softmax over the kept, where a logit needs nothing of the others. Writes are coalesced
// whatever the number of experts, and no lane is idle; the k choices of a token are read by all its
// threads from the cache nearest to them.
template <class T>
__global__ void gate_backward_thread_per_output(GateGradient<T> p) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= p.tokens * p.experts) return;
  const std::int64_t token = i / p.experts;
  p.glogits[i] = kept_gradient(p, token, static_cast<int>(i - token * p.experts));
}

// ---- launchers

template <class T>
GateGradient<T> operands(const char* name, const GateBackward<T>& a) {
  return {a.gweights,
          a.indices,
          a.weights,
          a.values,
          a.glogits,
          a.tokens,
          checked_extent(name, "experts", a.experts),
          checked_extent(name, "k", a.k)};
}

template <class T>
void thread_per_token(KernelExecutor& exec, const GateBackward<T>& a) {
  constexpr const char* kName = "gate_backward_thread_per_token";
  with_flag(a.over_all(), [&](auto over_all) {
    launch(exec, kName, gate_backward_thread_per_token<decltype(over_all)::value, T>,
           Line{{tiles_along(a.tokens, kThreads)}, kThreads}, operands(kName, a));
  });
}

template <class T>
void warp_per_token(KernelExecutor& exec, const GateBackward<T>& a) {
  constexpr const char* kName = "gate_backward_warp_per_token";
  with_flag(a.over_all(), [&](auto over_all) {
    launch(exec, kName, gate_backward_warp_per_token<decltype(over_all)::value, T>,
           Line{{tiles_along(a.tokens, kThreads / kWarp)}, kThreads}, operands(kName, a));
  });
}

template <class T>
void thread_per_output(KernelExecutor& exec, const GateBackward<T>& a) {
  constexpr const char* kName = "gate_backward_thread_per_output";
  launch(exec, kName, gate_backward_thread_per_output<T>,
         Line{{tiles_along(a.tokens * a.experts, kThreads)}, kThreads}, operands(kName, a));
}

template <class T>
bool more_than_eight_experts(const GateBackward<T>& a) {
  return a.experts > 8;
}
template <class T>
bool over_the_kept(const GateBackward<T>& a) {
  return !a.over_all();
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<KernelExecutor, GateBackward<T>> =
    std::to_array<Rung<KernelExecutor, GateBackward<T>>>(
        {{.name = "gate_backward_thread_per_token", .run = thread_per_token<T>},
         {.name = "gate_backward_warp_per_token",
          .run = warp_per_token<T>,
          .pays = {"more than 8 experts", more_than_eight_experts<T>}},
         {.name = "gate_backward_thread_per_output",
          .run = thread_per_output<T>,
          .takes = {"the softmax over the kept", over_the_kept<T>}}});

template struct Provides<KernelExecutor, GateBackward<float>, GateBackward<double>>;

}  // namespace switchyard::kernels

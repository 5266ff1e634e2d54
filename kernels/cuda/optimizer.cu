#include "kernels/api/optimizer.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
#include "kernels/api/run.h"
#include "kernels/common/pack.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/product_rungs.cuh"

// These kernels do SGD with momentum and weight decay: 5 memory accesses and 6 flops an element,
// whatever the variant; what a variant can save is requests, and launches where there are many
// parameters. A parameter in bfloat16 takes 6 accesses, of master, gradient and momentum and of
// what the master is rounded into, in the same launch: 12 bytes read more or written would be the
// price of widening the gradient and rounding the master in kernels of their own.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// The step's scalars in the type that it is computed in.
template <class T>
struct Scalars {
  ResultOf<T> rate, momentum, decay;
  const LowestNumber* fault;  // nothing is updated where something was reported
  template <class Op>
  explicit Scalars(const Op& a)
      : rate(static_cast<ResultOf<T>>(a.rate)),
        momentum(static_cast<ResultOf<T>>(a.momentum)),
        decay(static_cast<ResultOf<T>>(a.decay)),
        fault(a.fault) {}
};

template <class T>
__device__ __forceinline__ void update(ResultOf<T>& w, T g, ResultOf<T>& m, const Scalars<T>& s) {
  m = s.momentum * m + (widen(g) + s.decay * w);
  w -= s.rate * m;
}

/// Updates element i.
template <class T>
__device__ __forceinline__ void update_element(const SgdParameter<T>& p, std::int64_t i,
                                               const Scalars<T>& s) {
  update(p.w[i], p.g[i], p.m[i], s);
  if constexpr (std::is_same_v<T, BFloat16>) p.parameter[i] = BFloat16(p.w[i]);
}

// sgd_thread_per_element
//   1. each thread loads its w, g and m, updates in registers and stores w and m.
// w, g, m [count]. Reads 12 and writes 8 bytes an element (float32) in five 4-byte requests;
// bfloat16 reads and writes 10.
template <class T>
__global__ void sgd_thread_per_element(SgdParameter<T> p, Scalars<T> s) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= p.count || is_faulty(s.fault)) return;
  update_element(p, i, s);
}

/// Elements that fill 16 bytes of w and m.
template <class T>
constexpr int kPerThread = Wide<ResultOf<T>>::kCount;

/// Updates kPerThread elements from `first` on, or those of them before `end`. Gradients and
/// parameters in bfloat16 move 8 bytes at a time beside 16 of the master.
template <class T>
__device__ __forceinline__ void update_wide(const SgdParameter<T>& p, std::int64_t first,
                                            std::int64_t end, const Scalars<T>& s) {
  constexpr int kCount = kPerThread<T>;
  if (first + kCount <= end) {
    auto w = load_pack<kCount>(p.w + first);
    const auto g = load_pack<kCount>(p.g + first);
    auto m = load_pack<kCount>(p.m + first);
    SWITCHYARD_UNROLL
    for (int j = 0; j < kCount; ++j) update(w.value[j], g.value[j], m.value[j], s);
    store_pack(p.m + first, m);
    store_pack(p.w + first, w);
    if constexpr (std::is_same_v<T, BFloat16>) {
      Pack<BFloat16, kCount> parameter;
      SWITCHYARD_UNROLL
      for (int j = 0; j < kCount; ++j) parameter.value[j] = BFloat16(w.value[j]);
      store_pack(p.parameter + first, parameter);
    }
  } else {
    for (std::int64_t i = first; i < end; ++i) update_element(p, i, s);
  }
}

/// Returns whether a parameter's arrays may be read and written so.
template <class T>
SWITCHYARD_HOST_DEVICE bool is_aligned(const SgdParameter<T>& p) {
  bool aligned = is_wide_aligned(p.w) && is_wide_aligned(p.g) && is_wide_aligned(p.m);
  if constexpr (std::is_same_v<T, BFloat16>) aligned = aligned && is_wide_aligned(p.parameter);
  return aligned;
}

// sgd_wide
//   1. each thread moves 16 bytes of w, g and m at a time: four float32 elements;
//   2. the last thread takes what is left over one by one.
// It moves the same bytes in a quarter of the requests, with more of them in flight at the same
// time.
template <class T>
__global__ void sgd_wide(SgdParameter<T> p, Scalars<T> s) {
  if (is_faulty(s.fault)) return;
  const std::int64_t thread = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  update_wide(p, thread * kPerThread<T>, p.count, s);
}

/// So many parameters fit into the 4 KiB of a kernel's arguments.
template <class T>
constexpr int kMostParameters = sizeof(SgdParameter<T>) > 32 ? 88 : 108;
/// Elements of one parameter that a block takes, whole 16-byte groups.
constexpr std::int64_t kChunk = 16 * kThreads;

/// The parameters of one launch. Parameter i owns the blocks [first_block[i], first_block[i+1]).
template <class T>
struct ParameterList {
  SgdParameter<T> parameter[kMostParameters<T>];
  unsigned first_block[kMostParameters<T> + 1];
  int count;
};
static_assert(sizeof(ParameterList<double>) + sizeof(Scalars<double>) <= 4096);
static_assert(sizeof(ParameterList<BFloat16>) + sizeof(Scalars<BFloat16>) <= 4096);

// sgd_many_one_launch
//   1. the list of pointers travels in the kernel's arguments: no copy, no memory to keep alive;
//   2. every block finds its parameter and the chunk of 4096 elements in it by binary search over
//      the parameters' first blocks, at most 7 steps, the same for all threads;
//   3. it updates the chunk, 16 bytes at a time where the parameter's three arrays are aligned.
// It moves the same bytes as sgd_wide once per parameter, in one launch instead of one each. A
// small network's parameters, most of them vectors of some hundred elements, take microseconds of
// launching and hardly any of work each; here the small ones run beside the large.
template <class T>
__global__ void sgd_many_one_launch(ParameterList<T> list, Scalars<T> s) {
  if (is_faulty(s.fault)) return;
  int low = 0;
  int high = list.count;  // first_block[low] <= block < first_block[high]
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (list.first_block[middle] <= blockIdx.x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const SgdParameter<T>& p = list.parameter[low];
  const std::int64_t begin = std::int64_t{blockIdx.x - list.first_block[low]} * kChunk;
  const std::int64_t end = begin + kChunk < p.count ? begin + kChunk : p.count;
  if (is_aligned(p)) {
    for (std::int64_t i = begin + threadIdx.x * kPerThread<T>; i < end;
         i += kThreads * kPerThread<T>) {
      update_wide(p, i, end, s);
    }
  } else {
    for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
      update_element(p, i, s);
    }
  }
}

// ---- launchers

template <class T>
void run_per_element(KernelExecutor& exec, const SgdStep<T>& a) {
  launch(exec, "sgd_thread_per_element", sgd_thread_per_element<T>,
         Line{{tiles_along(a.parameter.count, kThreads)}, kThreads}, a.parameter, Scalars<T>(a));
}

template <class T>
void run_wide(KernelExecutor& exec, const SgdStep<T>& a) {
  launch(exec, "sgd_wide", sgd_wide<T>,
         Line{{tiles_along(a.parameter.count, kThreads * kPerThread<T>)}, kThreads}, a.parameter,
         Scalars<T>(a));
}

template <class T>
void run_launch_per_parameter(KernelExecutor& exec, const SgdStepMany<T>& a) {
  for (const SgdParameter<T>& p : a.parameters) {
    run(exec, SgdStep<T>{.parameter = p,
                         .rate = a.rate,
                         .momentum = a.momentum,
                         .decay = a.decay,
                         .fault = a.fault});
  }
}

template <class T>
void run_one_launch(KernelExecutor& exec, const SgdStepMany<T>& a) {
  constexpr const char* kName = "sgd_many_one_launch";
  std::span<const SgdParameter<T>> parameters = a.parameters;
  while (!parameters.empty()) {
    const auto part =
        parameters.first(std::min<std::size_t>(parameters.size(), kMostParameters<T>));
    parameters = parameters.subspan(part.size());
    ParameterList<T> list{};
    std::int64_t blocks = 0;
    for (const SgdParameter<T>& p : part) {
      if (p.count == 0) continue;  // would own no block
      list.parameter[list.count] = p;
      list.first_block[list.count] = static_cast<unsigned>(checked_extent(kName, "blocks", blocks));
      ++list.count;
      blocks += tiles_along(p.count, kChunk);
    }
    launch(exec, kName, sgd_many_one_launch<T>, Line{{blocks}, kThreads}, list, Scalars<T>(a));
  }
}

template <class T>
bool takes_wide(const SgdStep<T>& a) {
  return is_aligned(a.parameter);
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<KernelExecutor, SgdStep<T>> = std::to_array<Rung<KernelExecutor, SgdStep<T>>>(
    {{.name = "sgd_thread_per_element", .run = run_per_element<T>},
     {.name = "sgd_wide", .run = run_wide<T>, .takes = {"arrays 16-byte aligned", takes_wide<T>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, SgdStepMany<T>> =
    std::to_array<Rung<KernelExecutor, SgdStepMany<T>>>(
        {{.name = "sgd_launch_per_parameter", .run = run_launch_per_parameter<T>},
         {.name = "sgd_many_one_launch", .run = run_one_launch<T>}});

template struct Provides<KernelExecutor, SgdSteps>;

}  // namespace switchyard::kernels

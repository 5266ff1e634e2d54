#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/floating_types.h"
#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/common/wide.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/fault.cuh"

// These kernels pick k columns of every row and add back into them, each the other's transpose, and
// make the check of the indices that both need first. Who finds a bad index reports it and nobody
// waits, so the others must not follow it out of the row: they take column 0 in its place.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ std::int64_t thread_index() {
  return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ bool outside(std::int64_t index, std::int64_t bound) {
  return index < 0 || index >= bound;
}

// first_out_of_range_thread_per_index
//   1. each thread reads one index and reports its position if it is not in [0, bound).
// indices [count]. Reads 8 bytes an index. It costs nothing but the read where all is well; on bad
// data it makes as many atomics on one word as there are bad indices.
__global__ void first_out_of_range_thread_per_index(const std::int64_t* __restrict__ indices,
                                                    std::int64_t count, std::int64_t bound,
                                                    FaultReport first) {
  const std::int64_t i = thread_index();
  if (i < count && outside(indices[i], bound)) report(first, i);
}

/// Indices that a thread of first_out_of_range_wide reads, in 128-bit loads of two.
constexpr int kPerThread = 4;

// first_out_of_range_wide
//   1. each thread reads four neighbouring indices in two 16-byte loads and keeps the first bad;
//   2. a vote finds the lowest lane that has one, which alone reports.
// It moves the same bytes in a quarter of the requests, and at most one atomic in a warp.
__global__ void first_out_of_range_wide(const std::int64_t* __restrict__ indices,
                                        std::int64_t count, std::int64_t bound, FaultReport first) {
  const std::int64_t begin = thread_index() * kPerThread;
  std::int64_t bad = -1;
  for (int pair = kPerThread - 2; pair >= 0; pair -= 2) {  // the first one is written last
    const std::int64_t i = begin + pair;
    if (i + 1 < count) {
      const Wide<std::int64_t> two = load128(indices + i);
      if (outside(two.value[1], bound)) bad = i + 1;
      if (outside(two.value[0], bound)) bad = i;
    } else if (i < count && outside(indices[i], bound)) {
      bad = i;
    }
  }
  const unsigned voters = __ballot_sync(kFullWarp, bad >= 0 ? 1 : 0);
  const auto lane = static_cast<int>(threadIdx.x) % kWarp;
  if (voters != 0 && lane == __ffs(static_cast<int>(voters)) - 1) report(first, bad);
}

/// The operands of gather; those of scatter_add with x and y in each other's place.
template <class T>
struct Picked {
  const T* x;
  const std::int64_t* indices;  // [tokens, k]
  std::int64_t tokens, columns, k;
  T* y;
};

// gather_thread_per_element
//   1. each thread takes one assignment a, reads its index and copies x[a / k, index].
// x [tokens, columns], y [tokens, k]. Reads 8 bytes of index and, of x, a 32-byte sector for 4
// bytes (float32) unless neighbours share it; writes 4.
template <class T>
__global__ void gather_thread_per_element(Picked<T> p) {
  const std::int64_t a = thread_index();
  if (a >= p.tokens * p.k) return;
  p.y[a] = p.x[a / p.k * p.columns + index_within(p.indices[a], p.columns)];
}

// gather_wide
//   1. each thread takes as many neighbouring assignments as fill 16 bytes of y, their indices in
//      16-byte loads;
//   2. one division finds the first one's row, counting finds the others';
//   3. it stores its elements of y in one request.
// It reads the same sectors with a quarter of the requests for indices and results, and a quarter
// of the 64-bit divisions, each some forty instructions (float32).
template <class T>
__global__ void gather_wide(Picked<T> p) {
  constexpr int kCount = Wide<T>::kCount;
  const std::int64_t count = p.tokens * p.k;
  const std::int64_t first = thread_index() * kCount;
  if (first >= count) return;
  std::int64_t row = first / p.k;
  std::int64_t choice = first - row * p.k;
  const auto next = [&](std::int64_t index) {
    const T value = p.x[row * p.columns + index_within(index, p.columns)];
    if (++choice == p.k) {
      choice = 0;
      ++row;
    }
    return value;
  };
  if (first + kCount <= count) {
    Wide<T> y;
    SWITCHYARD_UNROLL
    for (int i = 0; i < kCount; i += 2) {
      const Wide<std::int64_t> two = load128(p.indices + first + i);
      y.value[i] = next(two.value[0]);
      y.value[i + 1] = next(two.value[1]);
    }
    store128(p.y + first, y);
  } else {
    for (std::int64_t a = first; a < count; ++a) p.y[a] = next(p.indices[a]);
  }
}

// scatter_add_thread_per_token
//   1. each thread takes one row of y, fills it with zeros and adds its k values in order.
// x [tokens, k], y [tokens, columns]. Neighbouring threads write a whole row apart: a warp's
// request touches 32 sectors, each written again for every column in it. Not for bfloat16, which
// would round each addition.
template <class T>
__global__ void scatter_add_thread_per_token(Picked<T> p) {
  const std::int64_t token = thread_index();
  if (token >= p.tokens) return;
  T* const row = p.y + token * p.columns;
  for (std::int64_t c = 0; c < p.columns; ++c) row[c] = T{0};
  for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
    row[index_within(p.indices[a], p.columns)] += p.x[a];
  }
}

// scatter_add_thread_per_output
//   1. each thread takes one element of y and looks at its row's k indices;
//   2. it adds the values that name its column, in order, and writes the sum once.
// Writes 4 bytes an element, coalesced, zeros included; the k indices and values of a row are read
// by all its threads from the cache. It needs no atomics: the order of the sum is the order of j.
template <class T>
__global__ void scatter_add_thread_per_output(Picked<T> p) {
  const std::int64_t i = thread_index();
  if (i >= p.tokens * p.columns) return;
  const std::int64_t token = i / p.columns;
  const std::int64_t column = i - token * p.columns;
  ResultOf<T> sum{0};
  for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
    if (p.indices[a] == column) sum += widen(p.x[a]);
  }
  p.y[i] = convert_element<T>(sum);
}

// ---- launchers

void range_per_index(KernelExecutor& exec, const FirstOutOfRange& a) {
  launch(exec, "first_out_of_range_thread_per_index", first_out_of_range_thread_per_index,
         Line{{tiles_along(a.count, kThreads)}, kThreads}, a.indices, a.count, a.bound, a.position);
}

void range_wide(KernelExecutor& exec, const FirstOutOfRange& a) {
  launch(exec, "first_out_of_range_wide", first_out_of_range_wide,
         Line{{tiles_along(a.count, kThreads * kPerThread)}, kThreads}, a.indices, a.count, a.bound,
         a.position);
}

bool aligned_indices(const FirstOutOfRange& a) { return is_wide_aligned(a.indices); }

/// The operands of either kernel, in the same order.
template <class Op>
auto picked(const Op& a) {
  return Picked<std::remove_pointer_t<decltype(a.y)>>{a.x,       a.indices, a.tokens,
                                                      a.columns, a.k,       a.y};
}

template <class T>
void gather_elements(KernelExecutor& exec, const Gather<T>& a) {
  launch(exec, "gather_thread_per_element", gather_thread_per_element<T>,
         Line{{tiles_along(a.tokens * a.k, kThreads)}, kThreads}, picked(a));
}

template <class T>
void gather_wide_rows(KernelExecutor& exec, const Gather<T>& a) {
  launch(exec, "gather_wide", gather_wide<T>,
         Line{{tiles_along(a.tokens * a.k, kThreads * Wide<T>::kCount)}, kThreads}, picked(a));
}

template <class T>
bool aligned_picks(const Gather<T>& a) {
  return is_wide_aligned(a.indices) && is_wide_aligned(a.y);
}

template <class T>
void scatter_per_token(KernelExecutor& exec, const ScatterAdd<T>& a) {
  launch(exec, "scatter_add_thread_per_token", scatter_add_thread_per_token<T>,
         Line{{tiles_along(a.tokens, kThreads)}, kThreads}, picked(a));
}

template <class T>
void scatter_per_output(KernelExecutor& exec, const ScatterAdd<T>& a) {
  launch(exec, "scatter_add_thread_per_output", scatter_add_thread_per_output<T>,
         Line{{tiles_along(a.tokens * a.columns, kThreads)}, kThreads}, picked(a));
}

}  // namespace

// ---- the ladders

template <>
constexpr auto kRungs<KernelExecutor, FirstOutOfRange> =
    std::to_array<Rung<KernelExecutor, FirstOutOfRange>>(
        {{"first_out_of_range_thread_per_index", range_per_index},
         {"first_out_of_range_wide", range_wide, {"indices 16-byte aligned", aligned_indices}}});

template <class T>
constexpr auto kRungs<KernelExecutor, Gather<T>> = std::to_array<Rung<KernelExecutor, Gather<T>>>(
    {{"gather_thread_per_element", gather_elements<T>},
     {"gather_wide", gather_wide_rows<T>, {"indices and y 16-byte aligned", aligned_picks<T>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, ScatterAdd<T>> =
    std::to_array<Rung<KernelExecutor, ScatterAdd<T>>>(
        {{"scatter_add_thread_per_token", scatter_per_token<T>},
         {"scatter_add_thread_per_output", scatter_per_output<T>}});
template <>
constexpr auto kRungs<KernelExecutor, ScatterAdd<BFloat16>> =
    std::to_array<Rung<KernelExecutor, ScatterAdd<BFloat16>>>({{"scatter_add_thread_per_output",
                                                                scatter_per_output<BFloat16>}});

template struct Provides<KernelExecutor, FirstOutOfRange,
                         OfEvery<FloatingTypes, Gather, ScatterAdd>>;

}  // namespace switchyard::kernels

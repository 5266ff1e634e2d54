#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/pack.h"
#include "kernels/common/warp.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels bring rows of tokens to the slots of their experts and back, and compute the
// gradient of the weights: bound by memory, at most 2 flops an element. The rungs differ in how
// much work it takes to find a row, and in the size of a request.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerBlock = kThreads / kWarp;

/// The operands of one call. Weights and their gradient are of type ResultOf<T>.
template <class T, class Other, class Y>
struct Route {
  std::int64_t tokens, k, slots;
  int width;
  const std::int64_t* map;  // permutation [slots] or inverse [tokens, k]
  const T* x;
  const Other* other;  // weights [tokens, k] or null; gy [tokens, width]
  Y* y;

  __device__ Other weight(std::int64_t assignment) const {
    return other == nullptr ? Other{1} : other[assignment];
  }
};
template <class T>
using RowRoute = Route<T, ResultOf<T>, T>;
template <class T>
using WeightRoute = Route<T, T, ResultOf<T>>;

__device__ __forceinline__ std::int64_t thread_index() {
  return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
/// The row of this warp.
__device__ __forceinline__ std::int64_t warp_row() {
  return std::int64_t{blockIdx.x} * kRowsPerBlock + static_cast<int>(threadIdx.x) / kWarp;
}
__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }

/// The elements that a lane moves in one request: one, or 16 bytes.
template <class T, bool kWide>
constexpr int kPerLane = kWide ? Wide<T>::kCount : 1;

// dispatch_thread_per_element
//   1. each thread takes one element of y and divides to find slot and column;
//   2. it reads the slot's assignment and divides to find the token;
//   3. it copies the element, times the assignment's weight.
// x [tokens, width], y [slots, width], map [slots]. Reads 4 and writes 4 bytes an element
// (float32; bfloat16 half of all that moves), and 8 bytes of map, shared by a warp. It takes two
// 64-bit divisions, some forty instructions each.
template <class T>
__global__ void dispatch_thread_per_element(RowRoute<T> p) {
  const std::int64_t i = thread_index();
  if (i >= p.slots * p.width) return;
  const std::int64_t slot = i / p.width;
  const std::int64_t assignment = p.map[slot];
  const T x = p.x[assignment / p.k * p.width + (i - slot * p.width)];
  p.y[i] = convert_element<T>(p.weight(assignment) * widen(x));
}

// dispatch_warp_per_slot, dispatch_warp_per_slot_wide (128-bit accesses)
//   1. a warp takes one slot and finds its token with one division for the whole row;
//   2. its lanes copy the row, 32 elements or 512 bytes a step.
// It moves the same bytes; what is left of the arithmetic is a multiplication an element. The wide
// rung makes a quarter of the requests and has four times the bytes in flight (float32).
template <class T, bool kWide>
__global__ void dispatch_warp_per_slot(RowRoute<T> p) {
  const std::int64_t slot = warp_row();
  if (slot >= p.slots) return;  // the whole warp
  const std::int64_t assignment = p.map[slot];
  const ResultOf<T> weight = p.weight(assignment);
  const T* const from = p.x + assignment / p.k * p.width;
  T* const to = p.y + slot * p.width;
  constexpr int kCount = kPerLane<T, kWide>;
  for (int d = lane_index() * kCount; d < p.width; d += kWarp * kCount) {
    Pack<T, kCount> elements = load_pack<kCount>(from + d);
    SWITCHYARD_UNROLL
    for (T& value : elements.value) value = convert_element<T>(weight * widen(value));
    store_pack(to + d, elements);
  }
}

// combine_thread_per_element
//   1. each thread takes one element of y and divides to find token and column;
//   2. it adds the k rows' elements, each times its weight, in the order of the choices; dropped
//      ones are left out.
// x [slots, width], y [tokens, width], map [tokens, k]. Reads 4 k and writes 4 bytes an element
// (float32); map and weights are shared by a warp. Every output has one writer, so no atomics are
// needed.
template <class T>
__global__ void combine_thread_per_element(RowRoute<T> p) {
  const std::int64_t i = thread_index();
  if (i >= p.tokens * p.width) return;
  const std::int64_t token = i / p.width;
  const std::int64_t column = i - token * p.width;
  ResultOf<T> sum{0};
  for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
    const std::int64_t slot = p.map[a];
    if (slot >= 0) sum += p.weight(a) * widen(p.x[slot * p.width + column]);
  }
  p.y[i] = convert_element<T>(sum);
}

// combine_warp_per_token, combine_warp_per_token_wide (128-bit accesses)
//   1. a warp takes one token; its lanes take its columns, 32 elements or 512 bytes a step;
//   2. for each step they add the k rows in order, in registers, and write the sums once.
// It moves the same bytes without a division; slots and weights of the token are the same for the
// whole warp.
template <class T, bool kWide>
__global__ void combine_warp_per_token(RowRoute<T> p) {
  const std::int64_t token = warp_row();
  if (token >= p.tokens) return;  // the whole warp
  constexpr int kCount = kPerLane<T, kWide>;
  for (int d = lane_index() * kCount; d < p.width; d += kWarp * kCount) {
    ResultOf<T> sums[kCount] = {};
    for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
      const std::int64_t slot = p.map[a];
      if (slot < 0) continue;
      const ResultOf<T> weight = p.weight(a);
      const Pack<T, kCount> elements = load_pack<kCount>(p.x + slot * p.width + d);
      SWITCHYARD_UNROLL
      for (int i = 0; i < kCount; ++i) sums[i] += weight * widen(elements.value[i]);
    }
    Pack<T, kCount> rounded;
    SWITCHYARD_UNROLL
    for (int i = 0; i < kCount; ++i) rounded.value[i] = convert_element<T>(sums[i]);
    store_pack(p.y + token * p.width + d, rounded);
  }
}

// combine_weight_grad_thread_per_choice
//   1. each thread takes one assignment and walks along its token's row of gy and its slot's of x.
// x [slots, width], other = gy [tokens, width], y [tokens, k]. Reads 8 bytes for 2 flops (float32),
// neighbouring threads a row apart: a 32-byte sector for each 4 bytes until the cache helps.
template <class T>
__global__ void combine_weight_grad_thread_per_choice(WeightRoute<T> p) {
  const std::int64_t a = thread_index();
  if (a >= p.tokens * p.k) return;
  const std::int64_t slot = p.map[a];
  const T* const gy = p.other + a / p.k * p.width;
  ResultOf<T> sum{0};
  for (int d = 0; slot >= 0 && d < p.width; ++d) {
    sum += widen(gy[d]) * widen(p.x[slot * p.width + d]);
  }
  p.y[a] = sum;
}

// combine_weight_grad_warp_per_choice, combine_weight_grad_warp_per_choice_wide (128-bit loads)
//   1. a warp takes one assignment; its lanes take the columns, 32 elements or 512 bytes a step, a
//      running sum for each element of a request;
//   2. the lanes' sums are added in a fixed order, 5 shuffles.
// It moves the same bytes, coalesced; the k warps of a token lie beside each other and share its gy
// in the cache.
template <class T, bool kWide>
__global__ void combine_weight_grad_warp_per_choice(WeightRoute<T> p) {
  const std::int64_t a = warp_row();
  if (a >= p.tokens * p.k) return;  // the whole warp
  const std::int64_t slot = p.map[a];
  constexpr int kCount = kPerLane<T, kWide>;
  ResultOf<T> sums[kCount] = {};
  if (slot >= 0) {  // the same in all lanes
    const T* const x = p.x + slot * p.width;
    const T* const gy = p.other + a / p.k * p.width;
    for (int d = lane_index() * kCount; d < p.width; d += kWarp * kCount) {
      const Pack<T, kCount> left = load_pack<kCount>(x + d);
      const Pack<T, kCount> right = load_pack<kCount>(gy + d);
      SWITCHYARD_UNROLL
      for (int i = 0; i < kCount; ++i) sums[i] += widen(left.value[i]) * widen(right.value[i]);
    }
  }
  ResultOf<T> sum{0};
  SWITCHYARD_UNROLL
  for (const ResultOf<T> value : sums) sum += value;
  sum = warp_sum(sum);
  if (lane_index() == 0) p.y[a] = sum;
}

// ---- launchers

// Each face says which operands its kernels get, how many rows it makes, and which operands' rows a
// wide rung moves 16 bytes at a time.

template <class T, class Other, class Y>
Route<T, Other, Y> route(const char* name, const RouteShape& s, const std::int64_t* map, const T* x,
                         const Other* other, Y* y) {
  return {s.tokens, s.k, s.slots, checked_extent(name, "width", s.width), map, x, other, y};
}
template <class T>
RowRoute<T> operands(const char* name, const Dispatch<T>& a) {
  return route(name, a.shape, a.permutation, a.x, a.weights, a.y);
}
template <class T>
RowRoute<T> operands(const char* name, const Combine<T>& a) {
  return route(name, a.shape, a.inverse, a.x, a.weights, a.y);
}
template <class T>
WeightRoute<T> operands(const char* name, const CombineWeightGrad<T>& a) {
  return route(name, a.shape, a.inverse, a.x, a.gy, a.gweights);
}

template <class T>
std::int64_t rows(const Dispatch<T>& a) {
  return a.shape.slots;
}
template <class T>
std::int64_t rows(const Combine<T>& a) {
  return a.shape.tokens;
}
template <class T>
std::int64_t rows(const CombineWeightGrad<T>& a) {
  return a.shape.tokens * a.shape.k;
}

template <class Op>
bool wide(const Op& a) {
  return wide_rows(a.x, a.shape.width) && wide_rows(a.y, a.shape.width);
}
template <class T>
bool wide(const CombineWeightGrad<T>& a) {
  return wide_rows(a.x, a.shape.width) && wide_rows(a.gy, a.shape.width);
}

/// Launches `kernel` with a warp for each row.
template <class Operands, class Op>
void warp_per_row(KernelExecutor& exec, const char* name, void (*kernel)(Operands), const Op& a) {
  launch(exec, name, kernel, Line{{tiles_along(rows(a), kRowsPerBlock)}, kThreads},
         operands(name, a));
}
/// Launches `kernel` with a thread for each of `count` results.
template <class Operands, class Op>
void thread_per_result(KernelExecutor& exec, const char* name, void (*kernel)(Operands),
                       std::int64_t count, const Op& a) {
  launch(exec, name, kernel, Line{{tiles_along(count, kThreads)}, kThreads}, operands(name, a));
}

template <class T>
void dispatch_elements(KernelExecutor& exec, const Dispatch<T>& a) {
  thread_per_result(exec, "dispatch_thread_per_element", dispatch_thread_per_element<T>,
                    rows(a) * a.shape.width, a);
}
template <bool kWide, class T>
void dispatch_rows(KernelExecutor& exec, const Dispatch<T>& a) {
  warp_per_row(exec, kWide ? "dispatch_warp_per_slot_wide" : "dispatch_warp_per_slot",
               dispatch_warp_per_slot<T, kWide>, a);
}

template <class T>
void combine_elements(KernelExecutor& exec, const Combine<T>& a) {
  thread_per_result(exec, "combine_thread_per_element", combine_thread_per_element<T>,
                    rows(a) * a.shape.width, a);
}
template <bool kWide, class T>
void combine_rows(KernelExecutor& exec, const Combine<T>& a) {
  warp_per_row(exec, kWide ? "combine_warp_per_token_wide" : "combine_warp_per_token",
               combine_warp_per_token<T, kWide>, a);
}

template <class T>
void weight_grad_choices(KernelExecutor& exec, const CombineWeightGrad<T>& a) {
  thread_per_result(exec, "combine_weight_grad_thread_per_choice",
                    combine_weight_grad_thread_per_choice<T>, rows(a), a);
}
template <bool kWide, class T>
void weight_grad_rows(KernelExecutor& exec, const CombineWeightGrad<T>& a) {
  warp_per_row(
      exec,
      kWide ? "combine_weight_grad_warp_per_choice_wide" : "combine_weight_grad_warp_per_choice",
      combine_weight_grad_warp_per_choice<T, kWide>, a);
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<KernelExecutor, Dispatch<T>> =
    std::to_array<Rung<KernelExecutor, Dispatch<T>>>(
        {{"dispatch_thread_per_element", dispatch_elements<T>},
         {"dispatch_warp_per_slot", dispatch_rows<false, T>},
         {"dispatch_warp_per_slot_wide", dispatch_rows<true, T>, {kWideNeeds, wide<Dispatch<T>>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, Combine<T>> = std::to_array<Rung<KernelExecutor, Combine<T>>>(
    {{"combine_thread_per_element", combine_elements<T>},
     {"combine_warp_per_token", combine_rows<false, T>},
     {"combine_warp_per_token_wide", combine_rows<true, T>, {kWideNeeds, wide<Combine<T>>}}});

template <class T>
constexpr auto kRungs<KernelExecutor, CombineWeightGrad<T>> =
    std::to_array<Rung<KernelExecutor, CombineWeightGrad<T>>>(
        {{"combine_weight_grad_thread_per_choice", weight_grad_choices<T>},
         {"combine_weight_grad_warp_per_choice", weight_grad_rows<false, T>},
         {"combine_weight_grad_warp_per_choice_wide",
          weight_grad_rows<true, T>,
          {kWideNeeds, wide<T>}}});

template struct Provides<KernelExecutor, RowMoves>;

}  // namespace switchyard::kernels

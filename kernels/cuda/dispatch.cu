#include "kernels/api/routing.h"
#include "kernels/common/pack.h"
#include "kernels/common/warp.h"
#include "kernels/cuda/product_launch.cuh"

// Rows of tokens to the slots of their experts and back, and the gradient of the weights: bound by
// memory, at most 2 flops an element. The rungs differ in how much work it takes to find a row, and
// in the size of a request.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerBlock = kThreads / kWarp;

/// The operands of one call.
template <class T>
struct Route {
  std::int64_t tokens, k, slots;
  int width;
  const std::int64_t* map;  // permutation [slots] or inverse [tokens, k]
  const T* x;
  const T* other;  // weights [tokens, k] or null; gy [tokens, width]
  T* y;

  __device__ T weight(std::int64_t assignment) const {
    return other == nullptr ? T{1} : other[assignment];
  }
};

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
// (float32), and 8 bytes of map, shared by a warp. Two 64-bit divisions, some forty instructions
// each.
template <class T>
__global__ void dispatch_thread_per_element(Route<T> p) {
  const std::int64_t i = thread_index();
  if (i >= p.slots * p.width) return;
  const std::int64_t slot = i / p.width;
  const std::int64_t assignment = p.map[slot];
  p.y[i] = p.weight(assignment) * p.x[assignment / p.k * p.width + (i - slot * p.width)];
}

// dispatch_warp_per_slot, dispatch_warp_per_slot_wide (128-bit accesses)
//   1. a warp takes one slot and finds its token with one division for the whole row;
//   2. its lanes copy the row, 32 elements or 512 bytes a step.
// The same bytes; what is left of the arithmetic is a multiplication an element. Wide: a quarter of
// the requests, four times the bytes in flight (float32).
template <class T, bool kWide>
__global__ void dispatch_warp_per_slot(Route<T> p) {
  const std::int64_t slot = warp_row();
  if (slot >= p.slots) return;  // the whole warp
  const std::int64_t assignment = p.map[slot];
  const T weight = p.weight(assignment);
  const T* const from = p.x + assignment / p.k * p.width;
  T* const to = p.y + slot * p.width;
  constexpr int kCount = kPerLane<T, kWide>;
  for (int d = lane_index() * kCount; d < p.width; d += kWarp * kCount) {
    Pack<T, kCount> elements = load_pack<kCount>(from + d);
    SWITCHYARD_UNROLL
    for (T& value : elements.value) value *= weight;
    store_pack(to + d, elements);
  }
}

// combine_thread_per_element
//   1. each thread takes one element of y and divides to find token and column;
//   2. it adds the k rows' elements, each times its weight, in the order of the choices; dropped
//      ones are left out.
// x [slots, width], y [tokens, width], map [tokens, k]. Reads 4 k and writes 4 bytes an element
// (float32); map and weights are shared by a warp. Every output has one writer: no atomics.
template <class T>
__global__ void combine_thread_per_element(Route<T> p) {
  const std::int64_t i = thread_index();
  if (i >= p.tokens * p.width) return;
  const std::int64_t token = i / p.width;
  const std::int64_t column = i - token * p.width;
  T sum{0};
  for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
    const std::int64_t slot = p.map[a];
    if (slot >= 0) sum += p.weight(a) * p.x[slot * p.width + column];
  }
  p.y[i] = sum;
}

// combine_warp_per_token, combine_warp_per_token_wide (128-bit accesses)
//   1. a warp takes one token; its lanes take its columns, 32 elements or 512 bytes a step;
//   2. for each step they add the k rows in order, in registers, and write the sums once.
// The same bytes without a division; slots and weights of the token are the same for the whole
// warp.
template <class T, bool kWide>
__global__ void combine_warp_per_token(Route<T> p) {
  const std::int64_t token = warp_row();
  if (token >= p.tokens) return;  // the whole warp
  constexpr int kCount = kPerLane<T, kWide>;
  for (int d = lane_index() * kCount; d < p.width; d += kWarp * kCount) {
    Pack<T, kCount> sums{};
    for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
      const std::int64_t slot = p.map[a];
      if (slot < 0) continue;
      const T weight = p.weight(a);
      const Pack<T, kCount> elements = load_pack<kCount>(p.x + slot * p.width + d);
      SWITCHYARD_UNROLL
      for (int i = 0; i < kCount; ++i) sums.value[i] += weight * elements.value[i];
    }
    store_pack(p.y + token * p.width + d, sums);
  }
}

// combine_weight_grad_thread_per_choice
//   1. each thread takes one assignment and walks along its token's row of gy and its slot's of x.
// x [slots, width], other = gy [tokens, width], y [tokens, k]. Reads 8 bytes for 2 flops (float32),
// neighbouring threads a row apart: a 32-byte sector for each 4 bytes until the cache helps.
template <class T>
__global__ void combine_weight_grad_thread_per_choice(Route<T> p) {
  const std::int64_t a = thread_index();
  if (a >= p.tokens * p.k) return;
  const std::int64_t slot = p.map[a];
  const T* const gy = p.other + a / p.k * p.width;
  T sum{0};
  for (int d = 0; slot >= 0 && d < p.width; ++d) sum += gy[d] * p.x[slot * p.width + d];
  p.y[a] = sum;
}

// combine_weight_grad_warp_per_choice, combine_weight_grad_warp_per_choice_wide (128-bit loads)
//   1. a warp takes one assignment; its lanes take the columns, 32 elements or 512 bytes a step, a
//      running sum for each element of a request;
//   2. the lanes' sums are added in a fixed order, 5 shuffles.
// The same bytes, coalesced; the k warps of a token lie beside each other and share its gy in the
// cache.
template <class T, bool kWide>
__global__ void combine_weight_grad_warp_per_choice(Route<T> p) {
  const std::int64_t a = warp_row();
  if (a >= p.tokens * p.k) return;  // the whole warp
  const std::int64_t slot = p.map[a];
  constexpr int kCount = kPerLane<T, kWide>;
  Pack<T, kCount> sums{};
  if (slot >= 0) {  // the same in all lanes
    const T* const x = p.x + slot * p.width;
    const T* const gy = p.other + a / p.k * p.width;
    for (int d = lane_index() * kCount; d < p.width; d += kWarp * kCount) {
      const Pack<T, kCount> left = load_pack<kCount>(x + d);
      const Pack<T, kCount> right = load_pack<kCount>(gy + d);
      SWITCHYARD_UNROLL
      for (int i = 0; i < kCount; ++i) sums.value[i] += left.value[i] * right.value[i];
    }
  }
  T sum{0};
  SWITCHYARD_UNROLL
  for (const T value : sums.value) sum += value;
  sum = warp_sum(sum);
  if (lane_index() == 0) p.y[a] = sum;
}

// ---- launchers

/// A kernel of this family with what launching it takes.
template <class T>
struct Rung {
  const char* name;
  void (*kernel)(Route<T>);
  bool warp_per_row;
  bool wide;
};

// An operation says how many rows it makes, how many elements of one a thread each would take, and
// which operands' rows a wide rung moves 16 bytes at a time.

struct Dispatch {
  template <class T>
  static constexpr Rung<T> kRungs[] = {
      {"dispatch_thread_per_element", dispatch_thread_per_element<T>, false, false},
      {"dispatch_warp_per_slot", dispatch_warp_per_slot<T, false>, true, false},
      {"dispatch_warp_per_slot_wide", dispatch_warp_per_slot<T, true>, true, true}};
  static std::int64_t rows(const RouteShape& shape) { return shape.slots; }
  static std::int64_t per_row(const RouteShape& shape) { return shape.width; }
  template <class T>
  static bool wide(const RouteShape& shape, const T* x, const T* /*weights*/, const T* y) {
    return wide_rows(x, shape.width) && wide_rows(y, shape.width);
  }
};

struct Combine : Dispatch {
  template <class T>
  static constexpr Rung<T> kRungs[] = {
      {"combine_thread_per_element", combine_thread_per_element<T>, false, false},
      {"combine_warp_per_token", combine_warp_per_token<T, false>, true, false},
      {"combine_warp_per_token_wide", combine_warp_per_token<T, true>, true, true}};
  static std::int64_t rows(const RouteShape& shape) { return shape.tokens; }
};

struct WeightGrad {
  template <class T>
  static constexpr Rung<T> kRungs[] = {{"combine_weight_grad_thread_per_choice",
                                        combine_weight_grad_thread_per_choice<T>, false, false},
                                       {"combine_weight_grad_warp_per_choice",
                                        combine_weight_grad_warp_per_choice<T, false>, true, false},
                                       {"combine_weight_grad_warp_per_choice_wide",
                                        combine_weight_grad_warp_per_choice<T, true>, true, true}};
  static std::int64_t rows(const RouteShape& shape) { return shape.tokens * shape.k; }
  static std::int64_t per_row(const RouteShape&) { return 1; }
  template <class T>
  static bool wide(const RouteShape& shape, const T* x, const T* gy, const T* /*gweights*/) {
    return wide_rows(x, shape.width) && wide_rows(gy, shape.width);
  }
};

template <class Operation, int kRung, class Exec, class T>
void run(Exec& exec, const RouteShape& shape, const std::int64_t* map, const T* x, const T* other,
         T* y) {
  constexpr Rung<T> kUsed = Operation::template kRungs<T>[kRung];
  if (kUsed.wide) require_wide(kUsed.name, Operation::wide(shape, x, other, y));
  const int width = checked_extent(kUsed.name, "width", shape.width);
  const std::int64_t rows = Operation::rows(shape);
  const std::int64_t blocks = kUsed.warp_per_row
                                  ? tiles_along(rows, kRowsPerBlock)
                                  : tiles_along(rows * Operation::per_row(shape), kThreads);
  launch_blocks(exec, kUsed.name, kUsed.kernel, {blocks}, kThreads,
                Route<T>{shape.tokens, shape.k, shape.slots, width, map, x, other, y});
}

template <class Operation, class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> ladder_of() {
  constexpr auto& kRungs = Operation::template kRungs<T>;
  static constexpr Variant<RouteFunction<Exec, T>> kLadder[] = {
      {kRungs[0].name, "", run<Operation, 0, Exec, T>},
      {kRungs[1].name, "", run<Operation, 1, Exec, T>},
      {kRungs[2].name, kWideNeeds, run<Operation, 2, Exec, T>}};
  return kLadder;
}

template <class Operation, class Exec, class T>
void run_best(Exec& exec, const RouteShape& shape, const std::int64_t* map, const T* x,
              const T* other, T* y) {
  const auto best =
      Operation::wide(shape, x, other, y) ? run<Operation, 2, Exec, T> : run<Operation, 1, Exec, T>;
  best(exec, shape, map, x, other, y);
}

}  // namespace

template <class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> dispatch_ladder() {
  return ladder_of<Dispatch, Exec, T>();
}
template <class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> combine_ladder() {
  return ladder_of<Combine, Exec, T>();
}
template <class Exec, class T>
VariantLadder<RouteFunction<Exec, T>> combine_weight_grad_ladder() {
  return ladder_of<WeightGrad, Exec, T>();
}

template <class Exec, class T>
void dispatch(Exec& exec, const RouteShape& shape, const std::int64_t* permutation, const T* x,
              const T* weights, T* y) {
  run_best<Dispatch>(exec, shape, permutation, x, weights, y);
}
template <class Exec, class T>
void combine(Exec& exec, const RouteShape& shape, const std::int64_t* inverse, const T* x,
             const T* weights, T* y) {
  run_best<Combine>(exec, shape, inverse, x, weights, y);
}
template <class Exec, class T>
void combine_weight_grad(Exec& exec, const RouteShape& shape, const std::int64_t* inverse,
                         const T* x, const T* gy, T* gweights) {
  run_best<WeightGrad>(exec, shape, inverse, x, gy, gweights);
}

#define SWITCHYARD_INSTANTIATE_ROUTE(T)                                                      \
  template VariantLadder<RouteFunction<KernelExecutor, T>> dispatch_ladder<KernelExecutor, T>();    \
  template VariantLadder<RouteFunction<KernelExecutor, T>> combine_ladder<KernelExecutor, T>();     \
  template VariantLadder<RouteFunction<KernelExecutor, T>>                                          \
  combine_weight_grad_ladder<KernelExecutor, T>();                                           \
  template void dispatch(KernelExecutor&, const RouteShape&, const std::int64_t*, const T*,  \
                         const T*, T*);                                                      \
  template void combine(KernelExecutor&, const RouteShape&, const std::int64_t*, const T*,   \
                        const T*, T*);                                                       \
  template void combine_weight_grad(KernelExecutor&, const RouteShape&, const std::int64_t*, \
                                    const T*, const T*, T*);
SWITCHYARD_INSTANTIATE_ROUTE(float)
SWITCHYARD_INSTANTIATE_ROUTE(double)
#undef SWITCHYARD_INSTANTIATE_ROUTE

}  // namespace switchyard::kernels

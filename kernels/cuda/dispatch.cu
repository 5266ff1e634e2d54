#include "kernels/api/routing.h"
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
struct Pack {
  static constexpr int kCount = kWide ? Wide<T>::kCount : 1;
  T value[kCount];

  __device__ void load(const T* from) {
    if constexpr (kWide) {
      const Wide<T> wide = load128(from);
      SWITCHYARD_UNROLL
      for (int i = 0; i < kCount; ++i) value[i] = wide.value[i];
    } else {
      value[0] = *from;
    }
  }
  __device__ void store(T* to) const {
    if constexpr (kWide) {
      Wide<T> wide;
      SWITCHYARD_UNROLL
      for (int i = 0; i < kCount; ++i) wide.value[i] = value[i];
      store128(to, wide);
    } else {
      *to = value[0];
    }
  }
};

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
  using Elements = Pack<T, kWide>;
  for (int d = lane_index() * Elements::kCount; d < p.width; d += kWarp * Elements::kCount) {
    Elements elements;
    elements.load(from + d);
    SWITCHYARD_UNROLL
    for (T& value : elements.value) value *= weight;
    elements.store(to + d);
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
  using Elements = Pack<T, kWide>;
  for (int d = lane_index() * Elements::kCount; d < p.width; d += kWarp * Elements::kCount) {
    Elements sums{};
    for (std::int64_t a = token * p.k; a < (token + 1) * p.k; ++a) {
      const std::int64_t slot = p.map[a];
      if (slot < 0) continue;
      const T weight = p.weight(a);
      Elements elements;
      elements.load(p.x + slot * p.width + d);
      SWITCHYARD_UNROLL
      for (int i = 0; i < Elements::kCount; ++i) sums.value[i] += weight * elements.value[i];
    }
    sums.store(p.y + token * p.width + d);
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
  using Elements = Pack<T, kWide>;
  Elements sums{};
  if (slot >= 0) {  // the same in all lanes
    const T* const x = p.x + slot * p.width;
    const T* const gy = p.other + a / p.k * p.width;
    for (int d = lane_index() * Elements::kCount; d < p.width; d += kWarp * Elements::kCount) {
      Elements left;
      Elements right;
      left.load(x + d);
      right.load(gy + d);
      SWITCHYARD_UNROLL
      for (int i = 0; i < Elements::kCount; ++i) sums.value[i] += left.value[i] * right.value[i];
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

/// Launches `rung` over `rows` rows, or over their `per_row` elements a thread each.
template <class Exec, class T>
void run(Exec& exec, const Rung<T>& rung, const RouteShape& shape, std::int64_t rows,
         std::int64_t per_row, bool wide_operands, const std::int64_t* map, const T* x,
         const T* other, T* y) {
  if (rung.wide) require_wide(rung.name, wide_operands);
  const int width = checked_extent(rung.name, "width", shape.width);
  const std::int64_t items = rung.warp_per_row ? rows : rows * per_row;
  launch_blocks(exec, rung.name, rung.kernel,
                {tiles_along(items, rung.warp_per_row ? kRowsPerBlock : kThreads)}, kThreads,
                Route<T>{shape.tokens, shape.k, shape.slots, width, map, x, other, y});
}

template <class T>
constexpr Rung<T> kDispatch[] = {
    {"dispatch_thread_per_element", dispatch_thread_per_element<T>, false, false},
    {"dispatch_warp_per_slot", dispatch_warp_per_slot<T, false>, true, false},
    {"dispatch_warp_per_slot_wide", dispatch_warp_per_slot<T, true>, true, true}};
template <class T>
constexpr Rung<T> kCombine[] = {
    {"combine_thread_per_element", combine_thread_per_element<T>, false, false},
    {"combine_warp_per_token", combine_warp_per_token<T, false>, true, false},
    {"combine_warp_per_token_wide", combine_warp_per_token<T, true>, true, true}};
template <class T>
constexpr Rung<T> kWeightGrad[] = {{"combine_weight_grad_thread_per_choice",
                                    combine_weight_grad_thread_per_choice<T>, false, false},
                                   {"combine_weight_grad_warp_per_choice",
                                    combine_weight_grad_warp_per_choice<T, false>, true, false},
                                   {"combine_weight_grad_warp_per_choice_wide",
                                    combine_weight_grad_warp_per_choice<T, true>, true, true}};

/// Whether rows of both may be moved 16 bytes at a time.
template <class T>
bool wide(const RouteShape& shape, const T* a, const T* b) {
  return wide_rows(a, shape.width) && wide_rows(b, shape.width);
}

template <int kRung, class Exec, class T>
void run_dispatch(Exec& exec, const RouteShape& shape, const std::int64_t* permutation, const T* x,
                  const T* weights, T* y) {
  run(exec, kDispatch<T>[kRung], shape, shape.slots, shape.width, wide<T>(shape, x, y), permutation,
      x, weights, y);
}

template <int kRung, class Exec, class T>
void run_combine(Exec& exec, const RouteShape& shape, const std::int64_t* inverse, const T* x,
                 const T* weights, T* y) {
  run(exec, kCombine<T>[kRung], shape, shape.tokens, shape.width, wide<T>(shape, x, y), inverse, x,
      weights, y);
}

template <int kRung, class Exec, class T>
void run_weight_grad(Exec& exec, const RouteShape& shape, const std::int64_t* inverse, const T* x,
                     const T* gy, T* gweights) {
  run(exec, kWeightGrad<T>[kRung], shape, shape.tokens * shape.k, std::int64_t{1},
      wide<T>(shape, x, gy), inverse, x, gy, gweights);
}

}  // namespace

template <class Exec, class T>
Ladder<RouteFunction<Exec, T>> dispatch_ladder() {
  static constexpr Variant<RouteFunction<Exec, T>> kLadder[] = {
      {kDispatch<T>[0].name, "", run_dispatch<0, Exec, T>},
      {kDispatch<T>[1].name, "", run_dispatch<1, Exec, T>},
      {kDispatch<T>[2].name, kWideNeeds, run_dispatch<2, Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
Ladder<RouteFunction<Exec, T>> combine_ladder() {
  static constexpr Variant<RouteFunction<Exec, T>> kLadder[] = {
      {kCombine<T>[0].name, "", run_combine<0, Exec, T>},
      {kCombine<T>[1].name, "", run_combine<1, Exec, T>},
      {kCombine<T>[2].name, kWideNeeds, run_combine<2, Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
Ladder<RouteFunction<Exec, T>> combine_weight_grad_ladder() {
  static constexpr Variant<RouteFunction<Exec, T>> kLadder[] = {
      {kWeightGrad<T>[0].name, "", run_weight_grad<0, Exec, T>},
      {kWeightGrad<T>[1].name, "", run_weight_grad<1, Exec, T>},
      {kWeightGrad<T>[2].name, kWideNeeds, run_weight_grad<2, Exec, T>}};
  return kLadder;
}

template <class Exec, class T>
void dispatch(Exec& exec, const RouteShape& shape, const std::int64_t* permutation, const T* x,
              const T* weights, T* y) {
  const auto best = wide<T>(shape, x, y) ? run_dispatch<2, Exec, T> : run_dispatch<1, Exec, T>;
  best(exec, shape, permutation, x, weights, y);
}

template <class Exec, class T>
void combine(Exec& exec, const RouteShape& shape, const std::int64_t* inverse, const T* x,
             const T* weights, T* y) {
  const auto best = wide<T>(shape, x, y) ? run_combine<2, Exec, T> : run_combine<1, Exec, T>;
  best(exec, shape, inverse, x, weights, y);
}

template <class Exec, class T>
void combine_weight_grad(Exec& exec, const RouteShape& shape, const std::int64_t* inverse,
                         const T* x, const T* gy, T* gweights) {
  const auto best =
      wide<T>(shape, x, gy) ? run_weight_grad<2, Exec, T> : run_weight_grad<1, Exec, T>;
  best(exec, shape, inverse, x, gy, gweights);
}

#define SWITCHYARD_INSTANTIATE_ROUTE(T)                                                      \
  template Ladder<RouteFunction<KernelExecutor, T>> dispatch_ladder<KernelExecutor, T>();    \
  template Ladder<RouteFunction<KernelExecutor, T>> combine_ladder<KernelExecutor, T>();     \
  template Ladder<RouteFunction<KernelExecutor, T>>                                          \
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

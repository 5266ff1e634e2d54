#include "kernels/api/elementwise.h"

#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/divider.h"
#include "kernels/common/wide.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/product_rungs.cuh"

// These kernels are elementwise maps: bound by memory except for a few (erfc, tanh). The rungs
// differ in how an element finds its operands and in how many elements one instruction moves.
// bfloat16 has the same rungs: it moves half of the bytes of float32, and 16 bytes are eight
// elements.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// op(operands...), computed in the type that T widens to and rounded once.
template <class T, class Functor, class... Operands>
__device__ __forceinline__ T mapped(const Functor& op, Operands... operands) {
  return convert_element<T>(op(widen(operands)...));
}

// map_unary_thread_per_element
//   1. each thread maps one element.
// x, y [n], y may be x. Reads 4 and writes 4 bytes an element (float32).
template <class Functor, class T>
__global__ void map_unary_thread_per_element(Functor op, const T* x, T* y, std::int64_t n) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) y[i] = mapped<T>(op, x[i]);
}

// map_unary_wide
//   1. each thread loads 16 bytes in one instruction, maps them and stores them in one;
//   2. the thread behind the last whole 16 bytes maps the rest one by one.
// It moves the same bytes with a quarter of the requests (float32). x and y must be 16-byte
// aligned.
template <class Functor, class T>
__global__ void map_unary_wide(Functor op, const T* x, T* y, std::int64_t n) {
  constexpr int kCount = Wide<T>::kCount;
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (i + kCount <= n) {
    Wide<T> values = load128(x + i);
    SWITCHYARD_UNROLL
    for (int j = 0; j < kCount; ++j) values.value[j] = mapped<T>(op, values.value[j]);
    store128(y + i, values);
  } else {
    for (std::int64_t j = i; j < n; ++j) y[j] = mapped<T>(op, x[j]);
  }
}

/// A BroadcastPlan as a kernel takes it: plain arrays.
struct Strides {
  int rank;
  std::int64_t count;
  std::int64_t sizes[BroadcastPlan::kMaxRank];
  std::int64_t a[BroadcastPlan::kMaxRank];
  std::int64_t b[BroadcastPlan::kMaxRank];
};

// map_binary_strided
//   1. each thread takes an element of the result and turns its number into an index per axis, the
//      innermost first, by a division and a remainder per axis;
//   2. it adds up index · stride for both operands, which are 0 where an operand repeats.
// It takes any plan. It reads 8 bytes, less where an operand repeats, and writes 4 (float32). A
// 64-bit division costs some hundred instructions, more than the traffic of an element.
template <class Functor, class T>
__global__ void map_binary_strided(Functor op, const T* a, const T* b, T* y, Strides strides) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= strides.count) return;
  std::int64_t rest = i;
  std::int64_t from_a = 0;
  std::int64_t from_b = 0;
  for (int axis = strides.rank - 1; axis > 0; --axis) {
    const std::int64_t index = rest % strides.sizes[axis];
    rest /= strides.sizes[axis];
    from_a += index * strides.a[axis];
    from_b += index * strides.b[axis];
  }
  y[i] = mapped<T>(op, a[from_a + rest * strides.a[0]], b[from_b + rest * strides.b[0]]);
}

/// Holds the same strides as 32-bit numbers, with the divisions prepared.
struct DividedStrides {
  int rank;
  int count;
  Divider sizes[BroadcastPlan::kMaxRank];
  int a[BroadcastPlan::kMaxRank];
  int b[BroadcastPlan::kMaxRank];
};

// map_binary_divided
//   1. as map_binary_strided, with a multiplication and a shift for each division (divider.h);
//   2. the remainder is a multiplication and a subtraction;
//   3. with the loop unrolled the plan stays among the kernel's arguments; an index that the
//      compiler does not know would make it copy the plan to local memory.
// It takes fewer than 2^31 elements. It moves the same bytes with a tenth of the instructions.
template <class Functor, class T>
__global__ void map_binary_divided(Functor op, const T* a, const T* b, T* y,
                                   DividedStrides strides) {
  const auto i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= strides.count) return;
  int rest = i;
  int from_a = 0;
  int from_b = 0;
  SWITCHYARD_UNROLL
  for (int axis = BroadcastPlan::kMaxRank - 1; axis > 0; --axis) {
    if (axis >= strides.rank) continue;
    const int outer = strides.sizes[axis].quotient(rest);
    const int index = rest - outer * strides.sizes[axis].divisor();
    rest = outer;
    from_a += index * strides.a[axis];
    from_b += index * strides.b[axis];
  }
  y[i] = mapped<T>(op, a[from_a + rest * strides.a[0]], b[from_b + rest * strides.b[0]]);
}

/// Operands of a plan with one axis: an element for each element of the result, or one for all.
struct OneAxis {
  bool a_repeats;
  bool b_repeats;
};

// map_binary_one_axis
//   1. each thread takes an element; a plan with one axis (equal shapes, or a scalar) needs no
//      index beyond its number.
// It moves the same bytes without a division.
template <class Functor, class T>
__global__ void map_binary_one_axis(Functor op, const T* a, const T* b, T* y, std::int64_t n,
                                    OneAxis axis) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) y[i] = mapped<T>(op, a[axis.a_repeats ? 0 : i], b[axis.b_repeats ? 0 : i]);
}

/// 16 bytes of an operand from element i on, or its one element in every place.
template <class T>
__device__ __forceinline__ Wide<T> load_or_repeat(const T* x, std::int64_t i, bool repeats) {
  if (!repeats) return load128(x + i);
  Wide<T> wide;
  SWITCHYARD_UNROLL
  for (int j = 0; j < Wide<T>::kCount; ++j) wide.value[j] = *x;
  return wide;
}

// map_binary_one_axis_wide
//   1. each thread loads 16 bytes of each operand that does not repeat, maps and stores 16 bytes;
//   2. the thread behind the last whole 16 bytes maps the rest one by one.
// It makes a quarter of the requests (float32). Pointers must be 16-byte aligned. A scalar that is
// the result's own memory is only possible where n is 1.
template <class Functor, class T>
__global__ void map_binary_one_axis_wide(Functor op, const T* a, const T* b, T* y, std::int64_t n,
                                         OneAxis axis) {
  constexpr int kCount = Wide<T>::kCount;
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kCount;
  if (i + kCount <= n) {
    Wide<T> result;
    const Wide<T> from_a = load_or_repeat(a, i, axis.a_repeats);
    const Wide<T> from_b = load_or_repeat(b, i, axis.b_repeats);
    SWITCHYARD_UNROLL
    for (int j = 0; j < kCount; ++j) {
      result.value[j] = mapped<T>(op, from_a.value[j], from_b.value[j]);
    }
    store128(y + i, result);
  } else {
    for (std::int64_t j = i; j < n; ++j) {
      y[j] = mapped<T>(op, a[axis.a_repeats ? 0 : j], b[axis.b_repeats ? 0 : j]);
    }
  }
}

// map_binary_last_axis
//   1. a plan with two axes, [rows, columns] with strides of any kind: [N, H, W, C] with [C] is
//      one, a matrix with a column of numbers another;
//   2. a block is `width` threads across, a power of two up to 256, and 256 / width rows deep: a
//      warp reads contiguous memory in wide and in narrow matrices;
//   3. a thread keeps its column and walks down 8 rows by adding strides.
// It takes one 32-bit division per block in place of two 64-bit ones per element; a vector along
// the last axis comes from the L1 cache after the first row.
constexpr int kRows = 8;
template <class Functor, class T>
__global__ void map_binary_last_axis(Functor op, const T* a, const T* b, T* y, Strides strides,
                                     int width, int tiles) {
  const auto thread = static_cast<int>(threadIdx.x);
  const auto block = static_cast<int>(blockIdx.x);
  const std::int64_t column = std::int64_t{block % tiles} * width + thread % width;
  if (column >= strides.sizes[1]) return;
  const int depth = kThreads / width;
  std::int64_t row = std::int64_t{block / tiles} * depth * kRows + thread / width;
  for (int n = 0; n < kRows && row < strides.sizes[0]; ++n, row += depth) {
    y[row * strides.sizes[1] + column] =
        mapped<T>(op, a[row * strides.a[0] + column * strides.a[1]],
                  b[row * strides.b[0] + column * strides.b[1]]);
  }
}

// ---- launchers

template <class Functor, class T>
void run_unary(KernelExecutor& exec, const MapUnary<Functor, T>& a) {
  launch(exec, "map_unary_thread_per_element", map_unary_thread_per_element<Functor, T>,
         Line{{tiles_along(a.count, kThreads)}, kThreads}, a.op, a.x, a.y, a.count);
}
template <class Functor, class T>
void run_unary_wide(KernelExecutor& exec, const MapUnary<Functor, T>& a) {
  launch(exec, "map_unary_wide", map_unary_wide<Functor, T>,
         Line{{tiles_along(a.count, kThreads * Wide<T>::kCount)}, kThreads}, a.op, a.x, a.y,
         a.count);
}

Strides strides_of(const BroadcastPlan& plan) {
  Strides strides{plan.rank, plan.count, {}, {}, {}};
  for (int axis = 0; axis < plan.rank; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    strides.sizes[axis] = plan.sizes[i];
    strides.a[axis] = plan.a_strides[i];
    strides.b[axis] = plan.b_strides[i];
  }
  return strides;
}

/// Prepares a plan that is not empty and has at most kLargestExtent elements.
DividedStrides divided_strides_of(const BroadcastPlan& plan) {
  const Divider one(1);
  DividedStrides strides{
      plan.rank, static_cast<int>(plan.count), {one, one, one, one, one, one}, {}, {}};
  for (int axis = 0; axis < plan.rank; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    strides.sizes[axis] = Divider(static_cast<int>(plan.sizes[i]));
    strides.a[axis] = static_cast<int>(plan.a_strides[i]);
    strides.b[axis] = static_cast<int>(plan.b_strides[i]);
  }
  return strides;
}

OneAxis one_axis_of(const BroadcastPlan& plan) {
  return {plan.a_strides[0] == 0, plan.b_strides[0] == 0};
}

template <class Functor, class T>
void run_strided(KernelExecutor& exec, const MapBinary<Functor, T>& a) {
  launch(exec, "map_binary_strided", map_binary_strided<Functor, T>,
         Line{{tiles_along(a.plan.count, kThreads)}, kThreads}, a.op, a.a, a.b, a.y,
         strides_of(a.plan));
}
template <class Functor, class T>
void run_divided(KernelExecutor& exec, const MapBinary<Functor, T>& a) {
  if (a.plan.count == 0) return;  // an axis may be empty, and nothing divides by 0
  launch(exec, "map_binary_divided", map_binary_divided<Functor, T>,
         Line{{tiles_along(a.plan.count, kThreads)}, kThreads}, a.op, a.a, a.b, a.y,
         divided_strides_of(a.plan));
}
template <class Functor, class T>
void run_last_axis(KernelExecutor& exec, const MapBinary<Functor, T>& a) {
  const std::int64_t columns = a.plan.sizes[1];
  int width = 1;
  while (width < kThreads && width < columns) width *= 2;
  const std::int64_t tiles = tiles_along(columns, width);
  const std::int64_t depth = tiles_along(a.plan.sizes[0], std::int64_t{kThreads / width} * kRows);
  launch(exec, "map_binary_last_axis", map_binary_last_axis<Functor, T>,
         Line{{tiles, depth}, kThreads}, a.op, a.a, a.b, a.y, strides_of(a.plan), width,
         static_cast<int>(tiles));
}
template <class Functor, class T>
void run_one_axis(KernelExecutor& exec, const MapBinary<Functor, T>& a) {
  launch(exec, "map_binary_one_axis", map_binary_one_axis<Functor, T>,
         Line{{tiles_along(a.plan.count, kThreads)}, kThreads}, a.op, a.a, a.b, a.y, a.plan.count,
         one_axis_of(a.plan));
}
template <class Functor, class T>
void run_one_axis_wide(KernelExecutor& exec, const MapBinary<Functor, T>& a) {
  launch(exec, "map_binary_one_axis_wide", map_binary_one_axis_wide<Functor, T>,
         Line{{tiles_along(a.plan.count, kThreads * Wide<T>::kCount)}, kThreads}, a.op, a.a, a.b,
         a.y, a.plan.count, one_axis_of(a.plan));
}

// ---- what the rungs take

template <class Op>
bool is_aligned(const Op& a) {
  return is_wide_aligned(a.x) && is_wide_aligned(a.y);
}
template <class Op>
bool has_few_elements(const Op& a) {
  return a.plan.count <= kLargestExtent;
}
template <int kRank, class Op>
bool has_axes(const Op& a) {
  return a.plan.rank == kRank;
}
/// A scalar is read as it is, wherever it lies.
template <class Op>
bool has_one_aligned_axis(const Op& a) {
  return a.plan.rank == 1 && (a.plan.a_strides[0] == 0 || is_wide_aligned(a.a)) &&
         (a.plan.b_strides[0] == 0 || is_wide_aligned(a.b)) && is_wide_aligned(a.y);
}

}  // namespace

// ---- the ladders

template <class Functor, class T>
constexpr auto kRungs<KernelExecutor, MapUnary<Functor, T>> =
    std::to_array<Rung<KernelExecutor, MapUnary<Functor, T>>>(
        {{.name = "map_unary_thread_per_element", .run = run_unary<Functor, T>},
         {.name = "map_unary_wide",
          .run = run_unary_wide<Functor, T>,
          .takes = {"pointers 16-byte aligned", is_aligned<MapUnary<Functor, T>>}}});

template <class Functor, class T>
constexpr auto kRungs<KernelExecutor, MapBinary<Functor, T>> =
    std::to_array<Rung<KernelExecutor, MapBinary<Functor, T>>>(
        {{.name = "map_binary_strided", .run = run_strided<Functor, T>},
         {.name = "map_binary_divided",
          .run = run_divided<Functor, T>,
          .takes = {"fewer than 2^31 elements", has_few_elements<MapBinary<Functor, T>>}},
         {.name = "map_binary_last_axis",
          .run = run_last_axis<Functor, T>,
          .takes = {"a broadcast that merges to two axes", has_axes<2, MapBinary<Functor, T>>}},
         {.name = "map_binary_one_axis",
          .run = run_one_axis<Functor, T>,
          .takes = {"equal shapes or a scalar", has_axes<1, MapBinary<Functor, T>>}},
         {.name = "map_binary_one_axis_wide",
          .run = run_one_axis_wide<Functor, T>,
          .takes = {"equal shapes or a scalar, pointers 16-byte aligned",
                    has_one_aligned_axis<MapBinary<Functor, T>>}}});

template struct Provides<KernelExecutor, UnaryMaps, BinaryMaps>;

}  // namespace switchyard::kernels

#include "kernels/api/elementwise.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"
#include "kernels/cpu/widen.h"

namespace switchyard::kernels {
namespace {

// A task takes so many elements. Fixed, so that what an element gets does not depend on the
// threads.
constexpr std::int64_t kChunk = 16384;

/// Whole vectors of any width that the compiler picks.
constexpr std::int64_t kWholeVectors = 16;

// Keeps a loop to one copy in the program: the compiler neither unrolls it for a count that it
// knows nor makes another one of it otherwise, whose exp might be another.
#if defined(__GNUC__) && !defined(__clang__)
#define SWITCHYARD_ONE_COPY __attribute__((noinline, noclone))
#else
#define SWITCHYARD_ONE_COPY
#endif

// ---- vector loops: chunks over threads, in loops that vectorise

/// y = op(x) for whole vectors.
template <class Functor, class T>
SWITCHYARD_ONE_COPY void map_vectors(Functor op, const T* x, T* y, std::int64_t count) {
#pragma GCC ivdep  // y may be x, never a shifted x
  for (std::int64_t i = 0; i < count; ++i) y[i] = op(x[i]);
}

/// y = op(x), `count` elements. What is left behind the last whole vectors goes through the same
/// vector loop beside y: exp and its kin have other last bits outside of one, and an element's bits
/// must not depend on how many there are.
template <class Functor, class T>
void map_range(Functor op, const T* x, T* y, std::int64_t count) {
  const std::int64_t whole = count / kWholeVectors * kWholeVectors;
  map_vectors(op, x, y, whole);
  if (whole == count) return;
  T rest[kWholeVectors] = {};
  std::copy(x + whole, x + count, rest);
  map_vectors(op, rest, rest, kWholeVectors);
  std::copy_n(rest, count - whole, y + whole);
}

/// So many bfloat16 are in float32 at a time: they stay in the first-level cache, and one loop
/// serves both types.
constexpr std::int64_t kWidened = 1024;

template <class Functor>
void map_range(Functor op, const BFloat16* x, BFloat16* y, std::int64_t count) {
  std::array<float, kWidened> wide;
  for (std::int64_t begin = 0; begin < count; begin += kWidened) {
    const std::int64_t n = std::min(kWidened, count - begin);
    widen_row(x + begin, n, wide.data());
    map_range(op, wide.data(), wide.data(), n);
    round_row(wide.data(), n, y + begin);
  }
}

template <class Functor, class T>
void map_unary_vector_loops(Cpu&, const MapUnary<Functor, T>& a) {
  parallel_chunks(
      a.count, kChunk,
      [op = a.op, x = a.x, y = a.y](std::int64_t, std::int64_t begin, std::int64_t end) {
        map_range(op, x + begin, y + begin, end - begin);
      });
}

/// One stretch along the innermost axis; an operand with stride 0 is a constant there.
template <class Functor, class T>
void binary_row(Functor op, const T* a, std::int64_t a_stride, const T* b, std::int64_t b_stride,
                T* y, std::int64_t n) {
  if (a_stride == 1 && b_stride == 1) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(a[i], b[i]);
  } else if (a_stride == 1) {
    const T constant = *b;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(a[i], constant);
  } else if (b_stride == 1) {
    const T constant = *a;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(constant, b[i]);
  } else {
    std::fill_n(y, n, op(*a, *b));
  }
}

template <class Functor>
void binary_row(Functor op, const BFloat16* a, std::int64_t a_stride, const BFloat16* b,
                std::int64_t b_stride, BFloat16* y, std::int64_t n) {
  std::array<float, kWidened> wide_a;
  std::array<float, kWidened> wide_b;
  std::array<float, kWidened> wide_y;
  for (std::int64_t begin = 0; begin < n; begin += kWidened) {
    const std::int64_t count = std::min(kWidened, n - begin);
    widen_row(a + begin * a_stride, a_stride == 0 ? 1 : count, wide_a.data());
    widen_row(b + begin * b_stride, b_stride == 0 ? 1 : count, wide_b.data());
    binary_row(op, wide_a.data(), a_stride, wide_b.data(), b_stride, wide_y.data(), count);
    round_row(wide_y.data(), count, y + begin);
  }
}

/// Elements [begin, end) of the result, row by row of the innermost axis.
template <class Functor, class T>
void binary_range(Functor op, const T* a, const T* b, T* y, const BroadcastPlan& plan,
                  std::int64_t begin, std::int64_t end) {
  BroadcastPlan::Axes index{};
  std::int64_t rest = begin;
  for (int axis = plan.rank - 1; axis >= 0; --axis) {
    const auto i = static_cast<std::size_t>(axis);
    index[i] = rest % plan.sizes[i];
    rest /= plan.sizes[i];
    a += index[i] * plan.a_strides[i];
    b += index[i] * plan.b_strides[i];
  }
  const auto inner = static_cast<std::size_t>(plan.rank - 1);
  while (begin < end) {
    const std::int64_t n = std::min(end - begin, plan.sizes[inner] - index[inner]);
    binary_row(op, a, plan.a_strides[inner], b, plan.b_strides[inner], y + begin, n);
    begin += n;
    index[inner] += n;
    a += n * plan.a_strides[inner];
    b += n * plan.b_strides[inner];
    for (std::size_t i = inner; i > 0 && index[i] == plan.sizes[i]; --i) {
      a += plan.a_strides[i - 1] - plan.sizes[i] * plan.a_strides[i];
      b += plan.b_strides[i - 1] - plan.sizes[i] * plan.b_strides[i];
      index[i] = 0;
      ++index[i - 1];
    }
  }
}

template <class Functor, class T>
void map_binary_vector_loops(Cpu&, const MapBinary<Functor, T>& a) {
  parallel_chunks(a.plan.count, kChunk, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    binary_range(a.op, a.a, a.b, a.y, a.plan, begin, end);
  });
}

// ---- plain loops: the definitions, on one thread

template <class Functor, class T>
void map_unary_plain_loops(Cpu&, const MapUnary<Functor, T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) a.y[i] = convert_element<T>(a.op(widen(a.x[i])));
}

template <class Functor, class T>
void map_binary_plain_loops(Cpu&, const MapBinary<Functor, T>& a) {
  for (std::int64_t i = 0; i < a.plan.count; ++i) {
    std::int64_t rest = i;  // turns into an index per axis, the innermost first
    std::int64_t from_a = 0;
    std::int64_t from_b = 0;
    for (auto axis = static_cast<std::size_t>(a.plan.rank); axis-- > 0;) {
      const std::int64_t index = rest % a.plan.sizes[axis];
      rest /= a.plan.sizes[axis];
      from_a += index * a.plan.a_strides[axis];
      from_b += index * a.plan.b_strides[axis];
    }
    a.y[i] = convert_element<T>(a.op(widen(a.a[from_a]), widen(a.b[from_b])));
  }
}

}  // namespace

// ---- the ladders

template <class Functor, class T>
constexpr auto kRungs<Cpu, MapUnary<Functor, T>> = std::to_array<Rung<Cpu, MapUnary<Functor, T>>>(
    {{"map_unary_plain_loops", map_unary_plain_loops<Functor, T>},
     {"map_unary_vector_loops", map_unary_vector_loops<Functor, T>}});

template <class Functor, class T>
constexpr auto kRungs<Cpu, MapBinary<Functor, T>> = std::to_array<Rung<Cpu, MapBinary<Functor, T>>>(
    {{"map_binary_plain_loops", map_binary_plain_loops<Functor, T>},
     {"map_binary_vector_loops", map_binary_vector_loops<Functor, T>}});

template struct Provides<Cpu, UnaryMaps, BinaryMaps>;

}  // namespace switchyard::kernels

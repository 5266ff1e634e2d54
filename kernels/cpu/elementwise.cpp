#include "kernels/api/elementwise.h"

#include <algorithm>

#include "kernels/api/executor.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

namespace switchyard::kernels {
namespace {

// Elements per task. Fixed, so that which elements fall in a loop's vector part and which in its
// scalar remainder, and with them the last bit of exp and its kin, do not depend on the threads.
constexpr std::int64_t kChunk = 16384;

template <class Op, class T>
void unary(Op op, const T* x, T* y, std::int64_t n) {
  parallel_chunks(n, kChunk, [=](std::int64_t, std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep  // y may be x, never a shifted x
    for (std::int64_t i = begin; i < end; ++i) y[i] = op(x[i]);
  });
}

/// One stretch along the innermost axis; an operand with stride 0 is a constant there.
template <class Op, class T>
void binary_row(Op op, const T* a, std::int64_t a_stride, const T* b, std::int64_t b_stride, T* y,
                std::int64_t n) {
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

/// Elements [begin, end) of the result, row by row of the innermost axis.
template <class Op, class T>
void binary_range(Op op, const T* a, const T* b, T* y, const BroadcastPlan& plan,
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

template <class Op, class T>
void binary(Op op, const T* a, const T* b, T* y, const BroadcastPlan& plan) {
  parallel_chunks(plan.count, kChunk, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    binary_range(op, a, b, y, plan, begin, end);
  });
}

}  // namespace

// ---- entry points

#define SWITCHYARD_CPU_UNARY(Op)                                            \
  template <>                                                               \
  void map_unary(Cpu&, Op op, const float* x, float* y, std::int64_t n) {   \
    unary(op, x, y, n);                                                     \
  }                                                                         \
  template <>                                                               \
  void map_unary(Cpu&, Op op, const double* x, double* y, std::int64_t n) { \
    unary(op, x, y, n);                                                     \
  }
SWITCHYARD_UNARY_OPS(SWITCHYARD_CPU_UNARY)

#define SWITCHYARD_CPU_BINARY(Op)                                           \
  template <>                                                               \
  void map_binary(Cpu&, Op op, const float* a, const float* b, float* y,    \
                  const BroadcastPlan& plan) {                              \
    binary(op, a, b, y, plan);                                              \
  }                                                                         \
  template <>                                                               \
  void map_binary(Cpu&, Op op, const double* a, const double* b, double* y, \
                  const BroadcastPlan& plan) {                              \
    binary(op, a, b, y, plan);                                              \
  }
SWITCHYARD_BINARY_OPS(SWITCHYARD_CPU_BINARY)

}  // namespace switchyard::kernels

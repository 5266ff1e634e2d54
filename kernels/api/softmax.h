#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"
#include "kernels/common/floating_types.h"

// Softmax and its relatives work over the rows of [rows, columns], T of every floating type;
// bfloat16 is computed in float32 and rounded once. Each row's maximum is subtracted first, so that
// finite logits of any size give finite results. A row that holds a NaN or +inf, or only -inf,
// comes out as NaN in every column.

namespace switchyard::kernels {

/// y = eˣ / Σ eˣ.
template <class T>
struct SoftmaxForward {
  static constexpr std::string_view kName = "softmax_forward";
  const T* x = nullptr;  ///< [rows, columns]
  T* y = nullptr;        ///< [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const { return {.bytes = bytes_of<T>(2 * rows * columns)}; }
};

/// gx = y · (gy - Σ gy·y), from softmax's result y.
template <class T>
struct SoftmaxBackward {
  static constexpr std::string_view kName = "softmax_backward";
  const T* gy = nullptr;  ///< [rows, columns]
  const T* y = nullptr;   ///< [rows, columns]
  T* gx = nullptr;        ///< [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const { return {.bytes = bytes_of<T>(3 * rows * columns)}; }
};

/// to_y = u · (gy - Σ gy·y) - gy · Σ u·y: the gradient of softmax_backward's result with respect to
/// its y, for the result's cotangent u.
template <class T>
struct SoftmaxDoubleBackward {
  static constexpr std::string_view kName = "softmax_double_backward";
  const T* u = nullptr;   ///< [rows, columns]
  const T* gy = nullptr;  ///< [rows, columns]
  const T* y = nullptr;   ///< [rows, columns]
  T* to_y = nullptr;      ///< [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const { return {.bytes = bytes_of<T>(4 * rows * columns)}; }
};

/// y = x - log Σ eˣ.
template <class T>
struct LogSoftmaxForward {
  static constexpr std::string_view kName = "log_softmax_forward";
  const T* x = nullptr;  ///< [rows, columns]
  T* y = nullptr;        ///< [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const { return {.bytes = bytes_of<T>(2 * rows * columns)}; }
};

/// gx = gy - eʸ · Σ gy, from log_softmax's result y.
template <class T>
struct LogSoftmaxBackward {
  static constexpr std::string_view kName = "log_softmax_backward";
  const T* gy = nullptr;  ///< [rows, columns]
  const T* y = nullptr;   ///< [rows, columns]
  T* gx = nullptr;        ///< [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const { return {.bytes = bytes_of<T>(3 * rows * columns)}; }
};

/// losses[r] = log Σ eˣ - x[r, labels[r]], float32 for logits in bfloat16: they are yet to be
/// averaged.
template <class T>
struct CrossEntropyForward {
  static constexpr std::string_view kName = "cross_entropy_forward";
  const T* x = nullptr;                  ///< [rows, columns]
  const std::int64_t* labels = nullptr;  ///< [rows] in [0, columns): the caller has checked
  ResultOf<T>* losses = nullptr;         ///< [rows]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const {
    return {.bytes = bytes_of<T>(rows * columns) + bytes_of<ResultOf<T>>(rows) +
                     bytes_of<std::int64_t>(rows)};
  }
};

/// gx = g[0] / rows · (p - one_hot(labels)): the gradient of the mean loss from p = softmax(x) and
/// the loss's scalar cotangent g.
template <class T>
struct CrossEntropyBackward {
  static constexpr std::string_view kName = "cross_entropy_backward";
  const T* g = nullptr;                  ///< [1]
  const T* p = nullptr;                  ///< [rows, columns]
  const std::int64_t* labels = nullptr;  ///< [rows] in [0, columns): the caller has checked
  T* gx = nullptr;                       ///< [rows, columns]
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Work work() const {
    return {.bytes = bytes_of<T>(1 + 2 * rows * columns) + bytes_of<std::int64_t>(rows)};
  }
};

/// All of them, of every floating type.
using Softmaxes =
    OfEvery<FloatingTypes, SoftmaxForward, SoftmaxBackward, SoftmaxDoubleBackward,
            LogSoftmaxForward, LogSoftmaxBackward, CrossEntropyForward, CrossEntropyBackward>;

}  // namespace switchyard::kernels

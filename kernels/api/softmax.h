#pragma once

#include <cstdint>

#include "kernels/api/variants.h"

// Softmax and its relatives over the rows of [rows, columns], T = float and double. Each row's
// maximum is subtracted first, so that finite logits of any size give finite results. A row that
// holds a NaN or +inf, or only -inf, comes out as NaN in every column.

namespace switchyard::kernels {

/// y = eˣ / Σ eˣ.
template <class Exec, class T>
void softmax_forward(Exec&, const T* x, T* y, std::int64_t rows, std::int64_t columns);

/// gx = y · (gy - Σ gy·y), from softmax's result y.
template <class Exec, class T>
void softmax_backward(Exec&, const T* gy, const T* y, T* gx, std::int64_t rows,
                      std::int64_t columns);

/// y = x - log Σ eˣ.
template <class Exec, class T>
void log_softmax_forward(Exec&, const T* x, T* y, std::int64_t rows, std::int64_t columns);

/// gx = gy - eʸ · Σ gy, from log_softmax's result y.
template <class Exec, class T>
void log_softmax_backward(Exec&, const T* gy, const T* y, T* gx, std::int64_t rows,
                          std::int64_t columns);

/// losses[r] = log Σ eˣ - x[r, labels[r]]; labels [rows] in [0, columns) (the caller has checked).
template <class Exec, class T>
void cross_entropy_forward(Exec&, const T* x, const std::int64_t* labels, T* losses,
                           std::int64_t rows, std::int64_t columns);

/// gx = g[0] / rows · (p - one_hot(labels)): the gradient of the mean loss from p = softmax(x) and
/// the loss's scalar cotangent g.
template <class Exec, class T>
void cross_entropy_backward(Exec&, const T* g, const T* p, const std::int64_t* labels, T* gx,
                            std::int64_t rows, std::int64_t columns);

template <class Exec, class T>
using SoftmaxMapFunction = void(Exec&, const T* x, T* y, std::int64_t rows, std::int64_t columns);
template <class Exec, class T>
using SoftmaxGradientFunction = void(Exec&, const T* gy, const T* y, T* gx, std::int64_t rows,
                                     std::int64_t columns);
template <class Exec, class T>
using CrossEntropyFunction = void(Exec&, const T* x, const std::int64_t* labels, T* losses,
                                  std::int64_t rows, std::int64_t columns);
template <class Exec, class T>
using CrossEntropyGradientFunction = void(Exec&, const T* g, const T* p, const std::int64_t* labels,
                                          T* gx, std::int64_t rows, std::int64_t columns);

// The ladders behind them (kernels/cuda/softmax.cu). A variant throws std::invalid_argument for
// more columns or blocks than 32-bit indices cover.
template <class Exec, class T>
Ladder<SoftmaxMapFunction<Exec, T>> softmax_forward_ladder();
template <class Exec, class T>
Ladder<SoftmaxGradientFunction<Exec, T>> softmax_backward_ladder();
template <class Exec, class T>
Ladder<SoftmaxMapFunction<Exec, T>> log_softmax_forward_ladder();
template <class Exec, class T>
Ladder<SoftmaxGradientFunction<Exec, T>> log_softmax_backward_ladder();
template <class Exec, class T>
Ladder<CrossEntropyFunction<Exec, T>> cross_entropy_forward_ladder();
template <class Exec, class T>
Ladder<CrossEntropyGradientFunction<Exec, T>> cross_entropy_backward_ladder();

}  // namespace switchyard::kernels

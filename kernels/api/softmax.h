#pragma once

#include <cstdint>

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

}  // namespace switchyard::kernels

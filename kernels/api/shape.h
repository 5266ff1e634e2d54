#pragma once

#include <cstdint>

// Moving elements, T = float and double.

namespace switchyard::kernels {

/// y[i] = x[i] for i in [0, n).
template <class Exec, class T>
void copy(Exec&, const T* x, T* y, std::int64_t n);

/// y[i] = 0 for i in [0, n).
template <class Exec, class T>
void fill_zero(Exec&, T* y, std::int64_t n);

/// x [rows, columns] -> y [columns, rows].
template <class Exec, class T>
void transpose(Exec&, const T* x, T* y, std::int64_t rows, std::int64_t columns);

}  // namespace switchyard::kernels

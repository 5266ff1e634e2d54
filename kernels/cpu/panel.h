#pragma once

#include <algorithm>
#include <cstdint>

// A panel holds some rows of a matrix turned by 90 degrees: element (row, column) lies at
// panel[column · stride + row], so that a vector holds one column of neighbouring rows.

namespace switchyard::kernels {

/// Writes panel [columns, stride] from `rows` rows, row r at row_at(r); fills the panel's rows up
/// to `padded` with zeros.
template <class T, class RowAt>
void fill_panel(std::int64_t rows, std::int64_t padded, std::int64_t columns, const RowAt& row_at,
                T* panel, std::int64_t stride);

/// Writes `rows` rows, row r to row_at(r), from panel [columns, stride].
template <class T, class RowAt>
void empty_panel(std::int64_t rows, std::int64_t columns, const T* panel, std::int64_t stride,
                 const RowAt& row_at);

namespace internal {

/// Turns a square of 8 · 8 elements. The compiler keeps it in registers: three rounds of shuffles.
template <class T>
inline void turn_square(const T* const (&from)[8], T* to, std::int64_t to_stride) {
  T square[8][8];
  for (int r = 0; r < 8; ++r) {
    for (int c = 0; c < 8; ++c) square[c][r] = from[r][c];
  }
  for (int c = 0; c < 8; ++c) std::copy_n(square[c], 8, to + c * to_stride);
}

}  // namespace internal

template <class T, class RowAt>
void fill_panel(std::int64_t rows, std::int64_t padded, std::int64_t columns, const RowAt& row_at,
                T* panel, std::int64_t stride) {
  constexpr std::int64_t kSquare = 8;
  std::int64_t row = 0;
  for (; row + kSquare <= rows; row += kSquare) {
    const T* from[kSquare];
    for (std::int64_t r = 0; r < kSquare; ++r) from[r] = row_at(row + r);
    std::int64_t column = 0;
    for (; column + kSquare <= columns; column += kSquare) {
      internal::turn_square(from, panel + column * stride + row, stride);
      for (const T*& each : from) each += kSquare;
    }
    for (; column < columns; ++column) {
      for (std::int64_t r = 0; r < kSquare; ++r) panel[column * stride + row + r] = *from[r]++;
    }
  }
  for (; row < rows; ++row) {
    const T* const from = row_at(row);
    for (std::int64_t column = 0; column < columns; ++column) {
      panel[column * stride + row] = from[column];
    }
  }
  if (rows == padded) return;
  for (std::int64_t column = 0; column < columns; ++column) {
    std::fill(panel + column * stride + rows, panel + column * stride + padded, T{0});
  }
}

template <class T, class RowAt>
void empty_panel(std::int64_t rows, std::int64_t columns, const T* panel, std::int64_t stride,
                 const RowAt& row_at) {
  constexpr std::int64_t kSquare = 8;
  std::int64_t row = 0;
  for (; row + kSquare <= rows; row += kSquare) {
    T* to[kSquare];
    for (std::int64_t r = 0; r < kSquare; ++r) to[r] = row_at(row + r);
    std::int64_t column = 0;
    for (; column + kSquare <= columns; column += kSquare) {
      const T* from[kSquare];
      for (std::int64_t c = 0; c < kSquare; ++c) from[c] = panel + (column + c) * stride + row;
      T square[kSquare * kSquare];
      internal::turn_square(from, square, kSquare);
      for (std::int64_t r = 0; r < kSquare; ++r) {
        std::copy_n(square + r * kSquare, kSquare, to[r] + column);
      }
    }
    for (; column < columns; ++column) {
      for (std::int64_t r = 0; r < kSquare; ++r) to[r][column] = panel[column * stride + row + r];
    }
  }
  for (; row < rows; ++row) {
    T* const to = row_at(row);
    for (std::int64_t column = 0; column < columns; ++column) {
      to[column] = panel[column * stride + row];
    }
  }
}

}  // namespace switchyard::kernels

#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/tile_operand.h"

#ifdef __AVX__
#include <immintrin.h>
#endif

// A panel holds some rows of a matrix turned by 90 degrees: element (row, column) lies at
// panel[column · stride + row], so that a vector holds one column of neighbouring rows.

namespace switchyard::kernels {

/// Writes panel [columns, stride] from `rows` rows, row r at row_at(r); fills the panel's rows up
/// to `padded` with zeros.
template <class T, class RowAt>
void fill_panel(std::int64_t rows, std::int64_t padded, std::int64_t columns, const RowAt& row_at,
                T* panel, std::int64_t stride);

/// Writes `rows` rows from panel [columns, stride]: column c of row r, and the seven behind it
/// where there are as many, to place(r, c), for c in steps of 8.
template <class T, class Place>
void empty_panel(std::int64_t rows, std::int64_t columns, const T* panel, std::int64_t stride,
                 const Place& place);

namespace internal {

/// Side of a square that is turned at once.
inline constexpr std::int64_t kSquare = 8;

/// Column c of the square whose rows are from[0 ... 7] becomes row c of `to`.
template <class T>
inline void turn_square(const T* const (&from)[kSquare], T* to, std::int64_t to_stride) {
  for (std::int64_t c = 0; c < kSquare; ++c) {
    for (std::int64_t r = 0; r < kSquare; ++r) to[c * to_stride + r] = from[r][c];
  }
}

#ifdef __AVX__
/// Eight registers, three rounds of shuffles: pairs, quadruples, halves.
template <>
inline void turn_square(const float* const (&from)[kSquare], float* to, std::int64_t to_stride) {
  __m256 low[4];   // columns 0, 1 | 4, 5 of rows 2i and 2i + 1, interleaved
  __m256 high[4];  // columns 2, 3 | 6, 7
  for (int i = 0; i < 4; ++i) {
    const __m256 even = _mm256_loadu_ps(from[2 * i]);
    const __m256 odd = _mm256_loadu_ps(from[2 * i + 1]);
    low[i] = _mm256_unpacklo_ps(even, odd);
    high[i] = _mm256_unpackhi_ps(even, odd);
  }
  for (int i = 0; i < 2; ++i) {
    const __m256* const part = i == 0 ? low : high;
    const __m256 first[2] = {_mm256_shuffle_ps(part[0], part[1], 0x44),
                             _mm256_shuffle_ps(part[0], part[1], 0xEE)};
    const __m256 second[2] = {_mm256_shuffle_ps(part[2], part[3], 0x44),
                              _mm256_shuffle_ps(part[2], part[3], 0xEE)};
    for (int j = 0; j < 2; ++j) {
      float* const at = to + (2 * i + j) * to_stride;
      _mm256_storeu_ps(at, _mm256_permute2f128_ps(first[j], second[j], 0x20));
      _mm256_storeu_ps(at + 4 * to_stride, _mm256_permute2f128_ps(first[j], second[j], 0x31));
    }
  }
}
/// Pairs are moved as what has their size.
template <>
inline void turn_square(const BFloat16Pair* const (&from)[kSquare], BFloat16Pair* to,
                        std::int64_t to_stride) {
  const float* rows[kSquare];
  for (std::int64_t r = 0; r < kSquare; ++r) rows[r] = reinterpret_cast<const float*>(from[r]);
  turn_square(rows, reinterpret_cast<float*>(to), to_stride);
}
#endif

}  // namespace internal

template <class T, class RowAt>
void fill_panel(std::int64_t rows, std::int64_t padded, std::int64_t columns, const RowAt& row_at,
                T* panel, std::int64_t stride) {
  using internal::kSquare;
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
    std::fill(panel + column * stride + rows, panel + column * stride + padded, T{});
  }
}

template <class T, class Place>
void empty_panel(std::int64_t rows, std::int64_t columns, const T* panel, std::int64_t stride,
                 const Place& place) {
  using internal::kSquare;
  std::int64_t row = 0;
  for (; row + kSquare <= rows; row += kSquare) {
    std::int64_t column = 0;
    for (; column + kSquare <= columns; column += kSquare) {
      const T* from[kSquare];
      for (std::int64_t c = 0; c < kSquare; ++c) from[c] = panel + (column + c) * stride + row;
      T square[kSquare * kSquare];
      internal::turn_square(from, square, kSquare);
      for (std::int64_t r = 0; r < kSquare; ++r) {
        std::copy_n(square + r * kSquare, kSquare, place(row + r, column));
      }
    }
    for (; column < columns; ++column) {
      for (std::int64_t r = 0; r < kSquare; ++r) {
        *place(row + r, column) = panel[column * stride + row + r];
      }
    }
  }
  for (; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      *place(row, column) = panel[column * stride + row];
    }
  }
}

}  // namespace switchyard::kernels

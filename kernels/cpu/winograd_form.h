#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// The matrices of Winograd's algorithm for 3x3 kernels and 4x4 tiles of the output:
//
//   y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A
//
// Both forms are trilinear in x, w and y, so each face of the convolution uses the same matrices.

namespace switchyard::kernels::winograd {

template <std::size_t R, std::size_t S>
using Matrix = std::array<std::array<float, S>, R>;

template <std::size_t R, std::size_t S>
constexpr Matrix<S, R> transposed(const Matrix<R, S>& m) {
  Matrix<S, R> t{};
  for (std::size_t i = 0; i < R; ++i) {
    for (std::size_t j = 0; j < S; ++j) t[j][i] = m[i][j];
  }
  return t;
}

constexpr std::int64_t kOut = 4;     // edge of a tile of y
constexpr std::int64_t kKernel = 3;  // edge of the kernel

/// F(4, 3) at the points 0, ±1, ±2 and infinity: 36 multiplications for 16 outputs instead of 144.
/// Lavin & Gray, "Fast algorithms for convolutional neural networks" (CVPR 2016), section 4.
struct Stride1 {
  static constexpr int kStride = 1;
  static constexpr Matrix<6, 6> kBt = {{{4, 0, -5, 0, 1, 0},
                                        {0, -4, -4, 1, 1, 0},
                                        {0, 4, -4, -1, 1, 0},
                                        {0, -2, -1, 2, 1, 0},
                                        {0, 2, -1, -2, 1, 0},
                                        {0, 4, 0, -5, 0, 1}}};
  static constexpr Matrix<6, kKernel> kG = {{{1.0F / 4, 0, 0},
                                             {-1.0F / 6, -1.0F / 6, -1.0F / 6},
                                             {-1.0F / 6, 1.0F / 6, -1.0F / 6},
                                             {1.0F / 24, 1.0F / 12, 1.0F / 6},
                                             {1.0F / 24, -1.0F / 12, 1.0F / 6},
                                             {0, 0, 1}}};
  static constexpr Matrix<kOut, 6> kAt = {
      {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}}};
};

/// At stride 2 the kernel's outer taps see the even pixels alone and its middle tap the odd ones:
/// F(4, 2) at the points 0, ±1, 2 and infinity for the former (rows 0-4), plain products for the
/// latter (rows 5-8). 81 multiplications for 16 outputs instead of 144.
struct Stride2 {
  static constexpr int kStride = 2;
  static constexpr Matrix<9, 9> kBt = {{{2, 0, -1, 0, -2, 0, 1, 0, 0},
                                        {0, 0, -2, 0, -1, 0, 1, 0, 0},
                                        {0, 0, 2, 0, -3, 0, 1, 0, 0},
                                        {0, 0, -1, 0, 0, 0, 1, 0, 0},
                                        {0, 0, 2, 0, -1, 0, -2, 0, 1},
                                        {0, 1, 0, 0, 0, 0, 0, 0, 0},
                                        {0, 0, 0, 1, 0, 0, 0, 0, 0},
                                        {0, 0, 0, 0, 0, 1, 0, 0, 0},
                                        {0, 0, 0, 0, 0, 0, 0, 1, 0}}};
  static constexpr Matrix<9, kKernel> kG = {{{1.0F / 2, 0, 0},
                                             {-1.0F / 2, 0, -1.0F / 2},
                                             {-1.0F / 6, 0, 1.0F / 6},
                                             {1.0F / 6, 0, 1.0F / 3},
                                             {0, 0, 1},
                                             {0, 1, 0},
                                             {0, 1, 0},
                                             {0, 1, 0},
                                             {0, 1, 0}}};
  static constexpr Matrix<kOut, 9> kAt = {{{1, 1, 1, 1, 0, 1, 0, 0, 0},
                                           {0, 1, -1, 2, 0, 0, 1, 0, 0},
                                           {0, 1, 1, 4, 0, 0, 0, 1, 0},
                                           {0, 1, -1, 8, 1, 0, 0, 0, 1}}};
};

/// Edge of a tile of x, and of everything transformed.
template <class Form>
constexpr int kTile = Form::kBt.size();
template <class Form>
constexpr int kPoints = kTile<Form>* kTile<Form>;

template <class Form>
constexpr auto kB = transposed(Form::kBt);
template <class Form>
constexpr auto kA = transposed(Form::kAt);
template <class Form>
constexpr auto kGt = transposed(Form::kG);

}  // namespace switchyard::kernels::winograd

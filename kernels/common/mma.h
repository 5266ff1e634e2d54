#pragma once

#include <bit>
#include <cstdint>

#include "kernels/common/bfloat16.h"
#include "kernels/common/cuda.h"

// Tensor cores: one warp multiplies two small matrices, C += A · B, each lane holding a few
// elements of each ("fragments"). Which element lies where is fixed by the instruction: PTX ISA,
// "Matrix Fragments for mma.m16n8k16 with floating point type", "... mma.m16n8k8", "... mma.m8n8k4
// with .f64". The functions a_row ... c_col below are those tables, with lane / 4 for groupID and
// lane % 4 for threadID_in_group. The host runs the same product as a warp collective.

namespace switchyard::kernels {

/// Two values of neighbouring depth, which a tensor core takes in one register.
struct alignas(4) BFloat16Pair {
  BFloat16 value[2];
};

/// bfloat16 operands, float32 sums: 16x8 += 16x16 · 16x8.
struct MmaBf16 {
  using Operand = BFloat16;
  using Sum = float;
  using Word = BFloat16Pair;
  static constexpr int kRows = 16, kCols = 8, kDepth = 16;
  static constexpr int kPerWord = 2;
  static constexpr int kWordsA = 4, kWordsB = 2, kSums = 4;

  // Element i of a lane's fragment. i / kPerWord is its register.
  static constexpr int a_row(int lane, int i) { return lane / 4 + i / 2 % 2 * 8; }
  static constexpr int a_depth(int lane, int i) { return lane % 4 * 2 + i % 2 + i / 4 * 8; }
  static constexpr int b_depth(int lane, int i) { return lane % 4 * 2 + i % 2 + i / 2 * 8; }
  static constexpr int b_col(int lane, int /*i*/) { return lane / 4; }
  static constexpr int c_row(int lane, int i) { return lane / 4 + i / 2 * 8; }
  static constexpr int c_col(int lane, int i) { return lane % 4 * 2 + i % 2; }

  static __device__ __forceinline__ Word load(const BFloat16* two) {
    return *reinterpret_cast<const BFloat16Pair*>(two);
  }
  static __device__ __forceinline__ Word word(std::uint32_t bits) {
    return std::bit_cast<Word>(bits);
  }
  static float element(const Word* words, int i) {
    return static_cast<float>(words[i / 2].value[i % 2]);
  }
};

/// float32 operands of which the tensor core reads 10 mantissa bits, float32 sums:
/// 16x8 += 16x8 · 8x8.
struct MmaTf32 {
  using Operand = float;
  using Sum = float;
  using Word = std::uint32_t;
  static constexpr int kRows = 16, kCols = 8, kDepth = 8;
  static constexpr int kPerWord = 1;
  static constexpr int kWordsA = 4, kWordsB = 2, kSums = 4;

  static constexpr int a_row(int lane, int i) { return lane / 4 + i % 2 * 8; }
  static constexpr int a_depth(int lane, int i) { return lane % 4 + i / 2 * 4; }
  static constexpr int b_depth(int lane, int i) { return lane % 4 + i * 4; }
  static constexpr int b_col(int lane, int /*i*/) { return lane / 4; }
  static constexpr int c_row(int lane, int i) { return lane / 4 + i / 2 * 8; }
  static constexpr int c_col(int lane, int i) { return lane % 4 * 2 + i % 2; }

  /// Rounds to nearest, ties away from zero (PTX cvt.rna.tf32.f32). The instruction itself would
  /// cut off the lower 13 bits, which doubles the error and biases it towards zero.
  static __device__ __forceinline__ Word load(const float* one) {
#ifdef __CUDACC__
    Word word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(*one));
    return word;
#else
    const auto word = std::bit_cast<Word>(*one);
    if (*one != *one) return 0x7FFFFFFFU;
    return (word & 0x7F800000U) == 0x7F800000U ? word : (word + 0x1000U) & ~0x1FFFU;
#endif
  }
  static __device__ __forceinline__ Word word(std::uint32_t bits) {
    const auto one = std::bit_cast<float>(bits);
    return load(&one);
  }
  static float element(const Word* words, int i) {
    return std::bit_cast<float>(words[i] & ~0x1FFFU);
  }
};

/// float32 operands as sums of two tf32 numbers each, 22 mantissa bits: the product is the sum of
/// three, and what is left out is the product of the two small parts, 2^-22 of it. An operand that
/// is infinite, or that tf32 rounds to infinity, gives NaN.
struct MmaThreeTf32 : MmaTf32 {
  struct Word {
    MmaTf32::Word large, small;
  };

  static __device__ __forceinline__ Word load(const float* one) {
    const MmaTf32::Word large = MmaTf32::load(one);
    const float rest = *one - std::bit_cast<float>(large);  // exact
    return {large, MmaTf32::load(&rest)};
  }
  static __device__ __forceinline__ Word word(std::uint32_t bits) {
    const auto one = std::bit_cast<float>(bits);
    return load(&one);
  }
};

/// float64 throughout: 8x8 += 8x4 · 4x8. Nothing is rounded but products and sums.
struct MmaF64 {
  using Operand = double;
  using Sum = double;
  using Word = double;
  static constexpr int kRows = 8, kCols = 8, kDepth = 4;
  static constexpr int kPerWord = 1;
  static constexpr int kWordsA = 1, kWordsB = 1, kSums = 2;

  static constexpr int a_row(int lane, int /*i*/) { return lane / 4; }
  static constexpr int a_depth(int lane, int /*i*/) { return lane % 4; }
  static constexpr int b_depth(int lane, int /*i*/) { return lane % 4; }
  static constexpr int b_col(int lane, int /*i*/) { return lane / 4; }
  static constexpr int c_row(int lane, int /*i*/) { return lane / 4; }
  static constexpr int c_col(int lane, int i) { return lane % 4 * 2 + i; }

  static __device__ __forceinline__ Word load(const double* one) { return *one; }
  static double element(const Word* words, int i) { return words[i]; }
};

/// A lane's part of A, B and C.
template <class Mma>
struct FragmentA {
  typename Mma::Word word[Mma::kWordsA];
};
template <class Mma>
struct FragmentB {
  typename Mma::Word word[Mma::kWordsB];
};
template <class Mma>
struct FragmentC {
  typename Mma::Sum value[Mma::kSums];
};

/// The operands that a lane's fragment takes from a tile with lines of `stride` operands,
/// neighbours in depth next to each other: element i from (line(i), depth(i)).
template <class Mma, int kWords, class Line, class Depth>
__device__ __forceinline__ void load_words(typename Mma::Word (&words)[kWords],
                                           const typename Mma::Operand* tile, int stride,
                                           const Line& line, const Depth& depth) {
  SWITCHYARD_UNROLL
  for (int w = 0; w < kWords; ++w) {
    const int i = w * Mma::kPerWord;
    words[w] = Mma::load(tile + line(i) * stride + depth(i));
  }
}

/// Reads A from a tile with a line per row. For bfloat16 the tile must be 4-byte aligned and the
/// stride even.
template <class Mma>
__device__ __forceinline__ FragmentA<Mma> load_a(const typename Mma::Operand* tile, int stride,
                                                 int lane) {
  FragmentA<Mma> a;
  load_words<Mma>(
      a.word, tile, stride, [lane](int i) { return Mma::a_row(lane, i); },
      [lane](int i) { return Mma::a_depth(lane, i); });
  return a;
}
/// Reads B from a tile that holds it transposed: a line per column of B.
template <class Mma>
__device__ __forceinline__ FragmentB<Mma> load_b(const typename Mma::Operand* tile, int stride,
                                                 int lane) {
  FragmentB<Mma> b;
  load_words<Mma>(
      b.word, tile, stride, [lane](int i) { return Mma::b_col(lane, i); },
      [lane](int i) { return Mma::b_depth(lane, i); });
  return b;
}

#ifdef __CUDACC__

/// C += A · B. All 32 lanes must call it together.
__device__ __forceinline__ void multiply_add(FragmentC<MmaBf16>& c, const FragmentA<MmaBf16>& a,
                                             const FragmentB<MmaBf16>& b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
      : "r"(std::bit_cast<std::uint32_t>(a.word[0])), "r"(std::bit_cast<std::uint32_t>(a.word[1])),
        "r"(std::bit_cast<std::uint32_t>(a.word[2])), "r"(std::bit_cast<std::uint32_t>(a.word[3])),
        "r"(std::bit_cast<std::uint32_t>(b.word[0])), "r"(std::bit_cast<std::uint32_t>(b.word[1])));
}
__device__ __forceinline__ void multiply_add(FragmentC<MmaTf32>& c, const FragmentA<MmaTf32>& a,
                                             const FragmentB<MmaTf32>& b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]),
        "r"(b.word[1]));
}
__device__ __forceinline__ void multiply_add(FragmentC<MmaF64>& c, const FragmentA<MmaF64>& a,
                                             const FragmentB<MmaF64>& b) {
  asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
      : "+d"(c.value[0]), "+d"(c.value[1])
      : "d"(a.word[0]), "d"(b.word[0]));
}

#else

/// Does the same on the host: puts the 32 fragments together to matrices and multiplies them once.
/// Sums are rounded to `Sum` term by term, ascending in depth, and then added to C; a tensor core's
/// order and rounding are its own.
template <class Mma>
void multiply_add(FragmentC<Mma>& c, const FragmentA<Mma>& a, const FragmentB<Mma>& b,
                  SwitchyardLocation at = SwitchyardLocation::current()) {
  struct Lane {
    FragmentC<Mma>* c;
    const FragmentA<Mma>* a;
    const FragmentB<Mma>* b;
  };
  Lane mine{&c, &a, &b};
  simt::collective(
      0xFFFFFFFFU,
      [](void* const* lanes, unsigned) {
        using Sum = typename Mma::Sum;
        Sum rows[Mma::kRows][Mma::kDepth];
        Sum cols[Mma::kDepth][Mma::kCols];
        for (int l = 0; l < 32; ++l) {
          const Lane& lane = *static_cast<const Lane*>(lanes[l]);
          for (int i = 0; i < Mma::kWordsA * Mma::kPerWord; ++i) {
            rows[Mma::a_row(l, i)][Mma::a_depth(l, i)] = Mma::element(lane.a->word, i);
          }
          for (int i = 0; i < Mma::kWordsB * Mma::kPerWord; ++i) {
            cols[Mma::b_depth(l, i)][Mma::b_col(l, i)] = Mma::element(lane.b->word, i);
          }
        }
        Sum product[Mma::kRows][Mma::kCols] = {};
        for (int i = 0; i < Mma::kRows; ++i) {
          for (int d = 0; d < Mma::kDepth; ++d) {
            for (int j = 0; j < Mma::kCols; ++j) product[i][j] += rows[i][d] * cols[d][j];
          }
        }
        for (int l = 0; l < 32; ++l) {
          FragmentC<Mma>& sums = *static_cast<const Lane*>(lanes[l])->c;
          for (int i = 0; i < Mma::kSums; ++i) {
            sums.value[i] += product[Mma::c_row(l, i)][Mma::c_col(l, i)];
          }
        }
      },
      &mine, at);
}

#endif

/// The same for float32 operands in two parts each: the small products first. All 32 lanes must
/// call it together.
__device__ __forceinline__ void multiply_add(FragmentC<MmaThreeTf32>& c,
                                             const FragmentA<MmaThreeTf32>& a,
                                             const FragmentB<MmaThreeTf32>& b) {
  FragmentA<MmaTf32> large_a, small_a;
  FragmentB<MmaTf32> large_b, small_b;
  FragmentC<MmaTf32> sums;
  SWITCHYARD_UNROLL
  for (int i = 0; i < MmaTf32::kWordsA; ++i) {
    large_a.word[i] = a.word[i].large;
    small_a.word[i] = a.word[i].small;
  }
  SWITCHYARD_UNROLL
  for (int i = 0; i < MmaTf32::kWordsB; ++i) {
    large_b.word[i] = b.word[i].large;
    small_b.word[i] = b.word[i].small;
  }
  SWITCHYARD_UNROLL
  for (int i = 0; i < MmaTf32::kSums; ++i) sums.value[i] = c.value[i];
  multiply_add(sums, small_a, large_b);
  multiply_add(sums, large_a, small_b);
  multiply_add(sums, large_a, large_b);
  SWITCHYARD_UNROLL
  for (int i = 0; i < MmaTf32::kSums; ++i) c.value[i] = sums.value[i];
}

}  // namespace switchyard::kernels

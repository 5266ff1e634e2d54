#pragma once

#include "kernels/common/ldmatrix.h"
#include "kernels/common/mma.h"

// Tiles of an operand in shared memory without padding, for tensor cores.
//
// A tile keeps the orientation that the operand has in global memory: a line is a row of the tile
// (neighbours in depth), or all rows at one depth. So 16-byte pieces, "chunks", are copied to it
// without passing through registers whatever is transposed. Within its line a chunk lies at its
// number XOR a function of the line, so that both the copies, which run along lines, and the reads,
// which run across them, meet every bank once:
//
//   line 0   0 1 2 3 4 5 6 7        a read of chunk 2 of eight lines is one turn of the banks,
//   line 1   1 0 3 2 5 4 7 6        where without the XOR it would be eight
//   line 2   2 3 0 1 6 7 4 5
//   ...                             lines of 64 bytes share 128 bytes two by two: the XOR is of
//                                   line / 2
//
// Where a line is a row, ldmatrix brings fragments of 16-bit and of 32-bit operands, and its
// transposing form fragments of 16-bit operands whose lines are depths. It cannot turn matrices of
// 32-bit elements: those lanes read their elements one by one, 4 neighbouring depths by 8
// neighbouring rows in a turn, as many bytes a turn as ldmatrix.

namespace switchyard::kernels {

template <class T, bool kAlongDepth, int kRows, int kDepth>
struct SwizzledLines {
  static constexpr int kPerChunk = 16 / static_cast<int>(sizeof(T));
  static constexpr int kChunks = (kAlongDepth ? kDepth : kRows) / kPerChunk;  // of a line
  static constexpr bool kByMatrix = kAlongDepth || sizeof(T) == 2;
  static constexpr bool kTurns = !kAlongDepth;  // on the way into registers
  static_assert(sizeof(T) <= 4 && (kChunks == 4 || kChunks % 8 == 0));

  /// Where in its line a chunk lies.
  static constexpr int turned(int line, int chunk) {
    if (!kByMatrix) return chunk ^ (line % 4 * 2);
    return chunk ^ (kChunks == 4 ? line / 2 % 4 : line % 8);
  }

  /// Index of an element in the tile.
  static constexpr int at(int row, int depth) {
    const int line = kAlongDepth ? row : depth;
    const int along = kAlongDepth ? depth : row;
    return (line * kChunks + turned(line, along / kPerChunk)) * kPerChunk + along % kPerChunk;
  }

  /// From a multiple of so many rows on a tile looks as from its beginning: at(first + row, depth)
  /// is from_row(first) + at(row, depth).
  static constexpr int kPeriod = kAlongDepth ? 8 : 8 * kPerChunk;
  static constexpr int from_row(int first) { return kAlongDepth ? first * kDepth : first; }

  /// Index of the matrix row whose address a lane gives to load_matrices for the 16 rows of A and
  /// 32 bytes of depth from (row, depth) on: matrices 0 and 1 are the upper and lower 8 rows of the
  /// first 16 bytes of depth, 2 and 3 of the second.
  static constexpr int matrix_of_a(int row, int depth, int lane) {
    return matrix_row(row, depth, lane, lane / 8 % 2, lane / 16);
  }
  /// The same for 16 columns of B: matrices 0 and 1 are the two halves of depth of the first 8, 2
  /// and 3 of the others.
  static constexpr int matrix_of_b(int col, int depth, int lane) {
    return matrix_row(col, depth, lane, lane / 16, lane / 8 % 2);
  }
  /// Index of the element that a lane reads for register `i` of the fragment of A at (row, depth),
  /// where ldmatrix cannot; and of two fragments of B.
  template <class Mma>
  static constexpr int word_of_a(int row, int depth, int lane, int i) {
    return at(row + Mma::a_row(lane, i), depth + Mma::a_depth(lane, i));
  }
  template <class Mma>
  static constexpr int word_of_b(int col, int depth, int lane, int i) {
    return at(col + i / 2 * Mma::kCols + Mma::b_col(lane, i % 2),
              depth + Mma::b_depth(lane, i % 2));
  }

 private:
  static constexpr int matrix_row(int row, int depth, int lane, int half_of_rows,
                                  int half_of_depth) {
    const int across = lane % 8;
    return at(row + half_of_rows * 8 + (kTurns ? 0 : across),
              depth + half_of_depth * (kTurns ? 8 : kPerChunk) + (kTurns ? across : 0));
  }
};

/// Reads the fragment of A whose first element is (row, depth) of the tile. All 32 lanes must call
/// it together.
template <class Mma, class Lines>
__device__ __forceinline__ FragmentA<Mma> load_swizzled_a(const typename Mma::Operand* tile,
                                                          int row, int depth, int lane) {
  FragmentA<Mma> a;
  if constexpr (Lines::kByMatrix) {
    std::uint32_t bits[4];
    load_matrices<Lines::kTurns>(bits, tile + Lines::matrix_of_a(row, depth, lane));
    SWITCHYARD_UNROLL
    for (int i = 0; i < 4; ++i) a.word[i] = Mma::word(bits[i]);
  } else {
    SWITCHYARD_UNROLL
    for (int i = 0; i < 4; ++i) {
      a.word[i] = Mma::word(load_word(tile + Lines::template word_of_a<Mma>(row, depth, lane, i)));
    }
  }
  return a;
}

/// Reads two fragments of B, the second one 8 columns behind the first.
template <class Mma, class Lines>
__device__ __forceinline__ void load_swizzled_b(FragmentB<Mma> (&b)[2],
                                                const typename Mma::Operand* tile, int col,
                                                int depth, int lane) {
  if constexpr (Lines::kByMatrix) {
    std::uint32_t bits[4];
    load_matrices<Lines::kTurns>(bits, tile + Lines::matrix_of_b(col, depth, lane));
    SWITCHYARD_UNROLL
    for (int i = 0; i < 4; ++i) b[i / 2].word[i % 2] = Mma::word(bits[i]);
  } else {
    SWITCHYARD_UNROLL
    for (int i = 0; i < 4; ++i) {
      b[i / 2].word[i % 2] =
          Mma::word(load_word(tile + Lines::template word_of_b<Mma>(col, depth, lane, i)));
    }
  }
}

}  // namespace switchyard::kernels

#pragma once

#include "kernels/cuda/matrix_tile.cuh"

// A block's tile of a product with each thread's outputs in registers: 8x8, or 8x4 of float64,
// whose values take two registers each.
//
//        B: kDepth x kCols in shared memory          per step of depth a thread reads 8 + 8 values
//           ┌──────────────────────────┐             from shared memory and does 64 products with
//           └──────────────────────────┘             them: 4 products a value, where one output per
//   A  ┌─┐  ┌──────────────────────────┐             thread gets 1/2
//      │ │  │  thread (i, j) owns rows │
//      │ │  │  and columns in groups   │             two copies of the shared tiles: while one is
//      │ │  │  of 16 bytes             │             multiplied the other fills, one barrier a step
//      └─┘  └──────────────────────────┘
//
// A thread's 8 rows are groups of 16 bytes spread over the tile, so that lanes that are neighbours
// read neighbouring 16 bytes: no bank conflicts.

namespace switchyard::kernels {

/// A thread owns `kThreadDown` rows of outputs. Kernels that hold the sums of two products at once
/// take four: twice 8x8 sums leave a thread no registers for the operands.
template <class T, int kTileRows, int kTileCols, int kThreadDown = 8>
struct RegisterTile {
  using Operand = T;
  using Sum = T;
  static constexpr int kRows = kTileRows;
  static constexpr int kCols = kTileCols;
  static constexpr int kDepth = 8;
  static constexpr int kVector = Wide<T>::kCount;
  static constexpr int kDown = kThreadDown;
  static constexpr int kAcross = sizeof(T) == 8 ? 4 : 8;
  static constexpr int kThreads = kRows * kCols / (kDown * kAcross);
  /// Blocks that a multiprocessor should hold at least: two hide each other's barriers.
  static constexpr int blocks(bool /*straight*/) { return sizeof(T) == 4 ? 2 : 1; }

  /// Depth by rows (columns of C for B). 16 bytes of padding a line: the transposing store of an
  /// operand that is contiguous in depth meets each bank once.
  struct Shared {
    Wide<T> a[2][kDepth][kRows / kVector + 1];
    Wide<T> b[2][kDepth][kCols / kVector + 1];
  };
  struct Sums {
    T value[kDown][kAcross];
  };

  static __device__ __forceinline__ int thread_row() {
    return static_cast<int>(threadIdx.x) / (kCols / kAcross);
  }
  static __device__ __forceinline__ int thread_col() {
    return static_cast<int>(threadIdx.x) % (kCols / kAcross);
  }

  // A thread's outputs as tile_outputs.cuh asks for them.
  static constexpr int kThreadRows = kDown, kThreadGroups = kAcross / kVector, kGroup = kVector;
  static constexpr int kPair = kCols / 2;  // there are two groups
  static constexpr int kRowLanes = kCols / kAcross, kRowParts = 1;
  static_assert(kThreadGroups == 2 && kRowLanes <= 32);
  static __device__ __forceinline__ int row(int i) { return place(thread_row(), i, kRows / kDown); }
  static __device__ __forceinline__ int col(int g) {
    return place(thread_col(), g * kVector, kCols / kAcross);
  }
  static __device__ __forceinline__ int row_part() { return 0; }
  static __device__ __forceinline__ T& output(Sums& sums, int i, int g, int e) {
    return sums.value[i][g * kVector + e];
  }

  /// sums = A · B over depth [begin, end), rows and columns from the given ones on. All threads of
  /// the block must call it.
  template <bool kWide, class SourceA, class SourceB>
  static __device__ __forceinline__ void multiply(Shared& shared, const SourceA& a,
                                                  const SourceB& b, int first_row, int first_col,
                                                  int begin, int end, Sums& sums) {
    TileLoader<SourceA, kRows, kDepth, kThreads, kWide, false> loader_a(a, first_row, end);
    TileLoader<SourceB, kCols, kDepth, kThreads, kWide, false> loader_b(b, first_col, end);
    const auto slots_a = [&shared](int buffer) {
      return [line = shared.a[buffer]](int row, int depth) {
        return &line[depth][row / kVector].value[row % kVector];
      };
    };
    const auto slots_b = [&shared](int buffer) {
      return [line = shared.b[buffer]](int col, int depth) {
        return &line[depth][col / kVector].value[col % kVector];
      };
    };
    SWITCHYARD_UNROLL
    for (int i = 0; i < kDown; ++i) {
      SWITCHYARD_UNROLL
      for (int j = 0; j < kAcross; ++j) sums.value[i][j] = T{0};
    }
    double_buffered<kDepth>(loader_a, loader_b, slots_a, slots_b, begin, end, [&](int buffer) {
      multiply_step(shared.a[buffer], shared.b[buffer], sums);
    });
  }

  /// Writes the sums to the sink's rows and columns from the given ones on, or adds them to what
  /// this thread wrote there before.
  template <class Sink>
  static __device__ __forceinline__ void store(const Sink& sink, int first_row, int first_col,
                                               const Sums& sums, bool add = false) {
    SWITCHYARD_UNROLL
    for (int i = 0; i < kDown; ++i) {
      T* const to = sink.row(first_row + row(i));
      if (to == nullptr) continue;
      SWITCHYARD_UNROLL
      for (int g = 0; g < kAcross / kVector; ++g) {
        const int first = first_col + col(g);
        if (sink.wide && first < sink.cols) {
          Wide<T> group = add ? load128(to + first) : Wide<T>{};
          SWITCHYARD_UNROLL
          for (int j = 0; j < kVector; ++j) group.value[j] += sums.value[i][g * kVector + j];
          store128(to + first, group);
        } else {
          SWITCHYARD_UNROLL
          for (int j = 0; j < kVector; ++j) {
            const T sum = sums.value[i][g * kVector + j];
            if (first + j < sink.cols) to[first + j] = add ? to[first + j] + sum : sum;
          }
        }
      }
    }
  }

 private:
  /// Row or column of the tile that is the i-th of thread `index` of `threads` along an axis.
  static __device__ __forceinline__ int place(int index, int i, int threads) {
    return (i / kVector * threads + index) * kVector + i % kVector;
  }

  template <int kLineA, int kLineB>
  static __device__ __forceinline__ void multiply_step(const Wide<T> (&tile_a)[kDepth][kLineA],
                                                       const Wide<T> (&tile_b)[kDepth][kLineB],
                                                       Sums& sums) {
    SWITCHYARD_UNROLL
    for (int d = 0; d < kDepth; ++d) {
      Wide<T> a[kDown / kVector];
      Wide<T> b[kAcross / kVector];
      SWITCHYARD_UNROLL
      for (int g = 0; g < kDown / kVector; ++g) {
        a[g] = tile_a[d][g * (kRows / kDown) + thread_row()];
      }
      SWITCHYARD_UNROLL
      for (int g = 0; g < kAcross / kVector; ++g) {
        b[g] = tile_b[d][g * (kCols / kAcross) + thread_col()];
      }
      SWITCHYARD_UNROLL
      for (int i = 0; i < kDown; ++i) {
        SWITCHYARD_UNROLL
        for (int j = 0; j < kAcross; ++j) {
          sums.value[i][j] += a[i / kVector].value[i % kVector] * b[j / kVector].value[j % kVector];
        }
      }
    }
  }
};

/// Lists the tiles among which with_tile (tile_grid.cuh) chooses.
template <class T, int kLargeRows, int kLargeCols>
struct RegisterTiles {
  using Operand = T;
  using Sum = T;
  using Large = RegisterTile<T, kLargeRows, kLargeCols>;
  using Small = RegisterTile<T, 64, 64>;
};

}  // namespace switchyard::kernels

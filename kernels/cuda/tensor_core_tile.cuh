#pragma once

#include "kernels/common/mma.h"
#include "kernels/cuda/matrix_tile.cuh"

// A block's tile of a product on tensor cores: 8 warps for 128x128, each with 64x32 of it in
// registers as fragments, or 4 warps for 64x64, each with 32x32.
//
//            cols 0      32      64      96
//   rows 0   ┌───────┬───────┬───────┬───────┐    operands lie in shared memory as [row, depth] and
//            │ warp 0│ warp 1│ warp 2│ warp 3│    [col, depth], so that a lane's neighbours in
//       64   ├───────┼───────┼───────┼───────┤    depth are one 32-bit read; the padding makes the
//            │ warp 4│ warp 5│ warp 6│ warp 7│    32 reads of a fragment meet 32 banks
//            └───────┴───────┴───────┴───────┘

namespace switchyard::kernels {

template <class Mma, int kTileRows, int kTileCols>
struct TensorCoreTile {
  using Operand = typename Mma::Operand;
  using Sum = typename Mma::Sum;
  static constexpr int kRows = kTileRows, kCols = kTileCols;
  static constexpr int kWarpRows = kRows / 2, kWarpCols = 32;
  static constexpr int kThreads = 32 * (kRows / kWarpRows) * (kCols / kWarpCols);
  /// Blocks that a multiprocessor should hold at least. 128 registers a thread are enough for 16
  /// warps where neither operand is turned on its way (`straight`): its pieces take none.
  static constexpr int blocks(bool straight) {
    return straight && sizeof(Operand) < 8 ? 512 / kThreads : 1;
  }
  static constexpr int kDepth = 64 / static_cast<int>(sizeof(Operand));
  /// Lines of 64 bytes and 16 of padding: 20 g + t mod 32 differ for g < 8, t < 4 (32 bits a lane).
  /// float64 reads 64 bits in half-warps and needs 32: 24 g + 2 t, g < 4.
  static constexpr int kLine =
      sizeof(Operand) == 8 ? 12 : kDepth + 16 / static_cast<int>(sizeof(Operand));
  static constexpr int kTilesDown = kWarpRows / Mma::kRows;
  static constexpr int kTilesAcross = kWarpCols / Mma::kCols;

  struct Shared {
    alignas(16) Operand a[2][kRows * kLine];
    alignas(16) Operand b[2][kCols * kLine];
  };
  struct Sums {
    FragmentC<Mma> value[kTilesDown][kTilesAcross];
  };

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int warp_row() {
    return static_cast<int>(threadIdx.x) / 32 / (kCols / kWarpCols) * kWarpRows;
  }
  static __device__ __forceinline__ int warp_col() {
    return static_cast<int>(threadIdx.x) / 32 % (kCols / kWarpCols) * kWarpCols;
  }

  // A lane's outputs as tile_outputs.cuh asks for them: two neighbours in each fragment's row.
  static constexpr int kGroup = 2, kRowsInFragment = Mma::kSums / kGroup;
  static constexpr int kThreadRows = kTilesDown * kRowsInFragment, kThreadGroups = kTilesAcross;
  static constexpr int kPair = kThreadGroups / 2 * Mma::kCols;
  static constexpr int kRowLanes = 4, kRowParts = kCols / kWarpCols;
  static __device__ __forceinline__ int row(int i) {
    return warp_row() + i / kRowsInFragment * Mma::kRows +
           Mma::c_row(lane(), i % kRowsInFragment * kGroup);
  }
  static __device__ __forceinline__ int col(int g) {
    return warp_col() + g * Mma::kCols + Mma::c_col(lane(), 0);
  }
  static __device__ __forceinline__ int row_part() { return warp_col() / kWarpCols; }
  static __device__ __forceinline__ Sum& output(Sums& sums, int i, int g, int e) {
    return sums.value[i / kRowsInFragment][g].value[i % kRowsInFragment * kGroup + e];
  }

  /// Does what RegisterTile::multiply does.
  template <bool kWide, class SourceA, class SourceB>
  static __device__ __forceinline__ void multiply(Shared& shared, const SourceA& a,
                                                  const SourceB& b, int first_row, int first_col,
                                                  int begin, int end, Sums& sums) {
    TileLoader<SourceA, kRows, kDepth, kThreads, kWide, true> loader_a(a, first_row, end);
    TileLoader<SourceB, kCols, kDepth, kThreads, kWide, true> loader_b(b, first_col, end);
    const auto slots_a = [&shared](int buffer) {
      return [to = shared.a[buffer]](int row, int depth) { return to + row * kLine + depth; };
    };
    const auto slots_b = [&shared](int buffer) {
      return [to = shared.b[buffer]](int col, int depth) { return to + col * kLine + depth; };
    };
    SWITCHYARD_UNROLL
    for (int i = 0; i < kTilesDown; ++i) {
      SWITCHYARD_UNROLL
      for (int j = 0; j < kTilesAcross; ++j) {
        SWITCHYARD_UNROLL
        for (int s = 0; s < Mma::kSums; ++s) sums.value[i][j].value[s] = Sum{0};
      }
    }
    double_buffered<kDepth>(loader_a, loader_b, slots_a, slots_b, begin, end, [&](int buffer) {
      multiply_step(shared.a[buffer], shared.b[buffer], sums);
    });
  }

  template <class Sink>
  static __device__ __forceinline__ void store(const Sink& sink, int first_row, int first_col,
                                               const Sums& sums) {
    SWITCHYARD_UNROLL
    for (int i = 0; i < kTilesDown; ++i) {
      SWITCHYARD_UNROLL
      for (int s = 0; s < Mma::kSums; ++s) {
        auto* const to = sink.row(first_row + warp_row() + i * Mma::kRows + Mma::c_row(lane(), s));
        if (to == nullptr) continue;
        SWITCHYARD_UNROLL
        for (int j = 0; j < kTilesAcross; ++j) {
          const int col = first_col + warp_col() + j * Mma::kCols + Mma::c_col(lane(), s);
          if (col < sink.cols) to[col] = sums.value[i][j].value[s];
        }
      }
    }
  }

 private:
  static __device__ __forceinline__ void multiply_step(const Operand* tile_a, const Operand* tile_b,
                                                       Sums& sums) {
    SWITCHYARD_UNROLL
    for (int d = 0; d < kDepth; d += Mma::kDepth) {
      FragmentB<Mma> b[kTilesAcross];
      SWITCHYARD_UNROLL
      for (int j = 0; j < kTilesAcross; ++j) {
        b[j] = load_b<Mma>(tile_b + (warp_col() + j * Mma::kCols) * kLine + d, kLine, lane());
      }
      SWITCHYARD_UNROLL
      for (int i = 0; i < kTilesDown; ++i) {
        const FragmentA<Mma> a =
            load_a<Mma>(tile_a + (warp_row() + i * Mma::kRows) * kLine + d, kLine, lane());
        SWITCHYARD_UNROLL
        for (int j = 0; j < kTilesAcross; ++j) multiply_add(sums.value[i][j], a, b[j]);
      }
    }
  }
};

/// Lists the tiles among which with_tile (tile_grid.cuh) chooses.
template <class Mma>
struct TensorCoreTiles {
  using Operand = typename Mma::Operand;
  using Sum = typename Mma::Sum;
  using Large = TensorCoreTile<Mma, 128, 128>;
  using Small = TensorCoreTile<Mma, 64, 64>;
};

}  // namespace switchyard::kernels

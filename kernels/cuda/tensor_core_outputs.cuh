#pragma once

#include "kernels/common/mma.h"

// The outputs of a block's tile on tensor cores: a grid of warps, each with a grid of fragments in
// registers. 8 warps with 64x32 of 128x128, for example:
//
//            cols 0      32      64      96
//   rows 0   ┌───────┬───────┬───────┬───────┐
//            │ warp 0│ warp 1│ warp 2│ warp 3│
//       64   ├───────┼───────┼───────┼───────┤
//            │ warp 4│ warp 5│ warp 6│ warp 7│
//            └───────┴───────┴───────┴───────┘

namespace switchyard::kernels {

template <class Mma, int kTileRows, int kTileCols, int kWarpTileRows, int kWarpTileCols>
struct TensorCoreOutputs {
  using Instruction = Mma;
  using Operand = typename Mma::Operand;
  using Sum = typename Mma::Sum;
  static constexpr int kRows = kTileRows, kCols = kTileCols;
  static constexpr int kWarpRows = kWarpTileRows, kWarpCols = kWarpTileCols;
  static constexpr int kThreads = 32 * (kRows / kWarpRows) * (kCols / kWarpCols);
  static constexpr int kTilesDown = kWarpRows / Mma::kRows;
  static constexpr int kTilesAcross = kWarpCols / Mma::kCols;

  struct Sums {
    FragmentC<Mma> value[kTilesDown][kTilesAcross];
  };

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static constexpr int row_of_warp(int warp) { return warp / (kCols / kWarpCols) * kWarpRows; }
  static constexpr int col_of_warp(int warp) { return warp % (kCols / kWarpCols) * kWarpCols; }
  static __device__ __forceinline__ int warp_row() {
    return row_of_warp(static_cast<int>(threadIdx.x) / 32);
  }
  static __device__ __forceinline__ int warp_col() {
    return col_of_warp(static_cast<int>(threadIdx.x) / 32);
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

  static __device__ __forceinline__ void clear(Sums& sums) {
    SWITCHYARD_UNROLL
    for (int i = 0; i < kTilesDown; ++i) {
      SWITCHYARD_UNROLL
      for (int j = 0; j < kTilesAcross; ++j) {
        SWITCHYARD_UNROLL
        for (int s = 0; s < Mma::kSums; ++s) sums.value[i][j].value[s] = Sum{0};
      }
    }
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
};

}  // namespace switchyard::kernels

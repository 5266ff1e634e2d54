#pragma once

#include "kernels/cuda/matrix_tile.cuh"
#include "kernels/cuda/tensor_core_outputs.cuh"

// A block's tile of a product on tensor cores: 8 warps for 128x128, each with 64x32 of it in
// registers as fragments (tensor_core_outputs.cuh), or 4 warps for 64x64, each with 32x32. Operands
// lie in shared memory as [row, depth] and [col, depth], so that a lane's neighbours in depth are
// one 32-bit read; the padding makes the 32 reads of a fragment meet 32 banks.

namespace switchyard::kernels {

template <class Mma, int kTileRows, int kTileCols>
struct TensorCoreTile : TensorCoreOutputs<Mma, kTileRows, kTileCols, kTileRows / 2, 32> {
  using Outputs = TensorCoreOutputs<Mma, kTileRows, kTileCols, kTileRows / 2, 32>;
  using Outputs::kRows, Outputs::kCols, Outputs::kThreads;
  using Outputs::kTilesDown, Outputs::kTilesAcross;
  using Outputs::lane, Outputs::warp_row, Outputs::warp_col;
  using typename Outputs::Operand, typename Outputs::Sum, typename Outputs::Sums;
  /// Blocks that a multiprocessor should hold at least. 128 registers a thread are enough for 16
  /// warps where neither operand is turned on its way (`straight`): its pieces take none.
  static constexpr int blocks(bool straight) {
    return straight && sizeof(typename Mma::Word) < 8 ? 512 / kThreads : 1;
  }
  static constexpr int kDepth = 64 / static_cast<int>(sizeof(Operand));
  /// Lines of 64 bytes and 16 of padding: 20 g + t mod 32 differ for g < 8, t < 4 (32 bits a lane).
  /// float64 reads 64 bits in half-warps and needs 32: 24 g + 2 t, g < 4.
  static constexpr int kLine =
      sizeof(Operand) == 8 ? 12 : kDepth + 16 / static_cast<int>(sizeof(Operand));

  struct Shared {
    alignas(16) Operand a[2][kRows * kLine];
    alignas(16) Operand b[2][kCols * kLine];
  };

  /// Does what RegisterTile::multiply does.
  template <bool kWide, class SourceA, class SourceB>
  static __device__ __forceinline__ void multiply(Shared& shared, const SourceA& a,
                                                  const SourceB& b, int first_row, int first_col,
                                                  int begin, int end, Sums& sums) {
    Outputs::clear(sums);
    accumulate<kWide>(shared, a, b, first_row, first_col, begin, end, sums);
  }

  /// sums += A · B, as multiply() otherwise.
  template <bool kWide, class SourceA, class SourceB>
  static __device__ __forceinline__ void accumulate(Shared& shared, const SourceA& a,
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
    double_buffered<kDepth>(loader_a, loader_b, slots_a, slots_b, begin, end, [&](int buffer) {
      multiply_step(shared.a[buffer], shared.b[buffer], sums);
    });
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

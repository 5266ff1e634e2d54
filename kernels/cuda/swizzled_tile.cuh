#pragma once

#include "kernels/common/async_copy.h"
#include "kernels/cuda/matrix_tile.cuh"
#include "kernels/cuda/swizzled_lines.cuh"
#include "kernels/cuda/tensor_core_outputs.cuh"
#include "kernels/cuda/tile_outputs.cuh"

// A block's tile of a product on tensor cores without padding and without turning operands on
// their way (swizzled_lines.cuh), kStages steps of depth in shared memory at a time:
//
//   stage            0        1        2        3
//   step t       multiply  copied   copied   copies start     one barrier a step: what it frees
//   step t + 1   copies    multiply copied   copied           is filled again
//                start
//
// The copies of kStages - 1 steps are under way while one is multiplied. They run on across tiles:
// a block that multiplies several one after the other (a *walk*) fetches the next one's operands
// while it finishes the last one and writes its outputs.

namespace switchyard::kernels {

/// The walk over one tile. A walk says what a block multiplies, and next() goes on to the next tile
/// until there are no more(); all lanes of a warp call it together.
template <class SourceA, class SourceB>
struct OneTile {
  using A = SourceA;
  using B = SourceB;
  A source_a;
  B source_b;
  int first_row, first_col;
  int begin, end;  // of depth
  bool is_done = false;

  __device__ __forceinline__ bool more() const { return !is_done; }
  __device__ __forceinline__ void next() { is_done = true; }
  __device__ __forceinline__ A a() const { return source_a; }
  __device__ __forceinline__ B b() const { return source_b; }
};

template <class Mma, int kTileRows, int kTileCols, int kWarpTileRows, int kWarpTileCols,
          int kStageCount>
struct SwizzledTile : TensorCoreOutputs<Mma, kTileRows, kTileCols, kWarpTileRows, kWarpTileCols> {
  using Outputs = TensorCoreOutputs<Mma, kTileRows, kTileCols, kWarpTileRows, kWarpTileCols>;
  using Outputs::kRows, Outputs::kCols, Outputs::kThreads;
  using Outputs::kTilesDown, Outputs::kTilesAcross, Outputs::kWarpRows, Outputs::kWarpCols;
  using Outputs::lane, Outputs::warp_row, Outputs::warp_col;
  using typename Outputs::Operand, typename Outputs::Sum, typename Outputs::Sums;
  static constexpr int kStages = kStageCount;
  static constexpr int kDepth = 64 / static_cast<int>(sizeof(Operand));
  static_assert(kStages >= 2 && kTilesAcross % 2 == 0);

  /// Blocks that a multiprocessor should hold at least: 16 warps of 128 registers a thread where
  /// that is enough for a thread's sums and addresses, else 8 of 256.
  static constexpr int kOutputs = kWarpRows * kWarpCols / 32;  // of a thread
  static constexpr bool kFewRegisters = kOutputs <= (sizeof(Operand) == 2 ? 64 : 32);
  static constexpr int kBlocks = (kFewRegisters ? 512 : 256) / kThreads;
  static constexpr int blocks(bool /*straight*/) { return kBlocks; }

  struct Shared {
    alignas(128) Operand a[kStages][kRows * kDepth];
    alignas(128) Operand b[kStages][kCols * kDepth];
  };

  template <class Source>
  using LinesOfA = SwizzledLines<Operand, Source::kAlongDepth, kRows, kDepth>;
  template <class Source>
  using LinesOfB = SwizzledLines<Operand, Source::kAlongDepth, kCols, kDepth>;
  template <class Source>
  using LoaderOfA = TileLoader<Source, kRows, kDepth, kThreads, true, Source::kAlongDepth>;
  template <class Source>
  using LoaderOfB = TileLoader<Source, kCols, kDepth, kThreads, true, Source::kAlongDepth>;

  /// Does what RegisterTile::multiply does, for operands that may be read 16 bytes at a time.
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
    static_assert(kWide);
    add_walk(shared, OneTile<SourceA, SourceB>{a, b, first_row, first_col, begin, end}, sums,
             [](const auto&) {});
  }

  /// Leaves the product of each tile of a walk in `sums` and calls done(walk).
  template <class Walk, class Done>
  static __device__ __forceinline__ void multiply_walk(Shared& shared, const Walk& walk, Sums& sums,
                                                       const Done& done) {
    Outputs::clear(sums);
    add_walk(shared, walk, sums, [&](const Walk& at) {
      done(at);
      Outputs::clear(sums);
    });
  }

  template <class Sink>
  static __device__ __forceinline__ void store(const Sink& sink, int first_row, int first_col,
                                               Sums& sums) {
    store_outputs<SwizzledTile>(sink, first_row, first_col, sums, false);
  }

 private:
  /// Adds the product of each tile to `sums` and calls done(walk); nothing is added for a tile
  /// without depth. All threads of the block must call it.
  template <class Walk, class Done>
  static __device__ __forceinline__ void add_walk(Shared& shared, Walk walk, Sums& sums,
                                                  const Done& done) {
    using A = typename Walk::A;
    using B = typename Walk::B;
    Walk ahead = walk;  // goes on to a tile when its copies start
    skip_empty(ahead);
    LoaderOfA<A> loader_a(ahead.a(), ahead.first_row, ahead.end);
    LoaderOfB<B> loader_b(ahead.b(), ahead.first_col, ahead.end);
    int depth = ahead.begin;
    const auto fill = [&](int stage) {
      if (ahead.more()) {
        loader_a.begin(depth, [to = shared.a[stage]](int row, int at) {
          return to + LinesOfA<A>::at(row, at);
        });
        loader_b.begin(depth, [to = shared.b[stage]](int col, int at) {
          return to + LinesOfB<B>::at(col, at);
        });
        depth += kDepth;
        if (depth >= ahead.end) {
          ahead.next();
          skip_empty(ahead);
          if (ahead.more()) {
            loader_a = LoaderOfA<A>(ahead.a(), ahead.first_row, ahead.end);
            loader_b = LoaderOfB<B>(ahead.b(), ahead.first_col, ahead.end);
            depth = ahead.begin;
          }
        }
      }
      copy_async_close_group();  // an empty one keeps the count
    };
    SWITCHYARD_UNROLL
    for (int stage = 0; stage < kStages - 1; ++stage) fill(stage);
    int stage = 0;
    for (; walk.more(); walk.next()) {
      for (int step = walk.begin; step < walk.end; step += kDepth) {
        copy_async_wait_but<kStages - 2>();
        __syncthreads();  // this stage is full, and nobody reads the one before any more
        fill(stage == 0 ? kStages - 1 : stage - 1);
        multiply_step<LinesOfA<A>, LinesOfB<B>>(shared.a[stage], shared.b[stage], sums);
        stage = stage == kStages - 1 ? 0 : stage + 1;
      }
      done(walk);
    }
  }

  template <class Walk>
  static __device__ __forceinline__ void skip_empty(Walk& walk) {
    while (walk.more() && walk.begin >= walk.end) walk.next();
  }

  /// A warp's part of a tile, and the first row of it there. The part begins at the warp's row
  /// where the compiler can know that all its addresses are then sums of the lane's and constants.
  template <int kWarpExtent, class Lines>
  static __device__ __forceinline__ const Operand* part_of_warp(const Operand* tile, int& row) {
    if constexpr (kWarpExtent % Lines::kPeriod == 0) {
      tile += Lines::from_row(row);
      row = 0;
    }
    return tile;
  }

  template <class LinesA, class LinesB>
  static __device__ __forceinline__ void multiply_step(const Operand* tile_a, const Operand* tile_b,
                                                       Sums& sums) {
    int row = warp_row();
    int col = warp_col();
    const Operand* const part_a = part_of_warp<kWarpRows, LinesA>(tile_a, row);
    const Operand* const part_b = part_of_warp<kWarpCols, LinesB>(tile_b, col);
    // Words read one by one, and all those of a step brought forward, would not fit the registers.
    [[maybe_unused]] constexpr int kAtOnce =
        LinesA::kByMatrix && LinesB::kByMatrix ? kDepth / Mma::kDepth : 1;
    SWITCHYARD_UNROLL_BY(kAtOnce)
    for (int d = 0; d < kDepth; d += Mma::kDepth) {
      FragmentB<Mma> b[kTilesAcross / 2][2];
      SWITCHYARD_UNROLL
      for (int j = 0; j < kTilesAcross / 2; ++j) {
        load_swizzled_b<Mma, LinesB>(b[j], part_b, col + j * 2 * Mma::kCols, d, lane());
      }
      SWITCHYARD_UNROLL
      for (int i = 0; i < kTilesDown; ++i) {
        const FragmentA<Mma> a =
            load_swizzled_a<Mma, LinesA>(part_a, row + i * Mma::kRows, d, lane());
        SWITCHYARD_UNROLL
        for (int j = 0; j < kTilesAcross; ++j) {
          multiply_add(sums.value[i][j], a, b[j / 2][j % 2]);
        }
      }
    }
  }
};

/// Lists the tiles among which with_tile (tile_grid.cuh) chooses: 128x128 with the given warps, and
/// 64x64 with 4 warps.
template <class Mma, int kWarpRows, int kWarpCols, int kStages>
struct SwizzledTiles {
  using Operand = typename Mma::Operand;
  using Sum = typename Mma::Sum;
  using Large = SwizzledTile<Mma, 128, 128, kWarpRows, kWarpCols, kStages>;
  using Small = SwizzledTile<Mma, 64, 64, 32, 32, kStages>;
};

/// Four copies and the largest warps whose sums and fragments fit the registers: float32 in two
/// parts has twice the fragments.
template <class Mma>
using FourStages = SwizzledTiles<Mma, 64, std::is_same_v<Mma, MmaThreeTf32> ? 32 : 64, 4>;

}  // namespace switchyard::kernels

#pragma once

#include "kernels/api/conv2d.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/conv2d_library.h"
#include "kernels/cuda/register_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"
#include "kernels/cuda/tile_grid.cuh"

// The ladder that the three faces of the convolution share. A `Face` says what differs:
//
//   SWITCHYARD_CONV_FACE(ConvFace::kForward, "conv2d");   // which, and how its rungs' names begin
//   template <class T> static bool wide(shape, first, second);      // may be read 16 bytes at once
//   template <class Exec, class T, class Sum>
//   static void thread_per_output(exec, shape, first, second, result);
//   template <class Tiles, bool kWide, class Exec>                  // Tiles as with_tile takes
//   them static void implicit_gemm(exec, name, shape, first, second, result);
//
// Operands and results are in the order of kernels/api/conv2d.h.

namespace switchyard::kernels {

#define SWITCHYARD_CONV_FACE(face, operation)                                       \
  static constexpr ConvFace kFace = face;                                           \
  static constexpr const char* kThreadPerOutput = operation "_thread_per_output";   \
  static constexpr const char* kRegisterTile = operation "_register_tile";          \
  static constexpr const char* kRegisterTileWide = operation "_register_tile_wide"; \
  static constexpr const char* kTensorCore = operation "_tensor_core";              \
  static constexpr const char* kTensorCoreTf32 = operation "_tensor_core_tf32"

/// The rungs of one face, as its ladder lists them.
template <class Face>
struct ConvRungs {
  template <class T>
  using FloatTiles = RegisterTiles<T, 128, 64>;

  template <class Exec, class T>
  static void register_tile(Exec& exec, const ConvShape& shape, const T* first, const T* second,
                            T* result) {
    Face::template implicit_gemm<FloatTiles<T>, false>(exec, Face::kRegisterTile, shape, first,
                                                       second, result);
  }

  template <class Exec, class T>
  static void register_tile_wide(Exec& exec, const ConvShape& shape, const T* first,
                                 const T* second, T* result) {
    require_wide(Face::kRegisterTileWide, Face::wide(shape, first, second));
    Face::template implicit_gemm<FloatTiles<T>, true>(exec, Face::kRegisterTileWide, shape, first,
                                                      second, result);
  }

  template <class Mma, class Exec>
  static void tensor_core(Exec& exec, const ConvShape& shape, const typename Mma::Operand* first,
                          const typename Mma::Operand* second, typename Mma::Sum* result) {
    with_flag(Face::wide(shape, first, second), [&](auto wide) {
      Face::template implicit_gemm<TensorCoreTiles<Mma>, decltype(wide)::value>(
          exec, Face::kTensorCore, shape, first, second, result);
    });
  }

  template <class Exec, class T>
  static VariantLadder<ConvFunction<Exec, T>> ladder() {
    static constexpr Variant<ConvFunction<Exec, T>> kLadder[] = {
        {Face::kThreadPerOutput, "", Face::template thread_per_output<Exec, T, T>},
        {Face::kRegisterTile, "", register_tile<Exec, T>},
        {Face::kRegisterTileWide, kWideNeeds, register_tile_wide<Exec, T>},
        tensor_core_variant<T, ConvFunction<Exec, T>>(Face::kTensorCore, Face::kTensorCoreTf32,
                                                      tensor_core<MmaFor<T>, Exec>)};
    return kLadder;
  }

  template <class Exec>
  static VariantLadder<ConvBf16Function<Exec>> bf16_ladder() {
    static constexpr Variant<ConvBf16Function<Exec>> kLadder[] = {
        {Face::kThreadPerOutput, "", Face::template thread_per_output<Exec, BFloat16, float>},
        {Face::kTensorCore, "", tensor_core<MmaBf16, Exec>}};
    return kLadder;
  }

  /// What the entry point runs.
  template <class Exec, class T>
  static void best(Exec& exec, const ConvShape& shape, const T* first, const T* second, T* result) {
    if (conv2d_by_library(exec, Face::kFace, shape, first, second, result)) return;
    const auto run =
        Face::wide(shape, first, second) ? register_tile_wide<Exec, T> : register_tile<Exec, T>;
    run(exec, shape, first, second, result);
  }
  template <class Exec>
  static void best_bf16(Exec& exec, const ConvShape& shape, const BFloat16* first,
                        const BFloat16* second, float* result) {
    tensor_core<MmaBf16>(exec, shape, first, second, result);
  }
};

}  // namespace switchyard::kernels

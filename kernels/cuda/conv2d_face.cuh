#pragma once

#include "kernels/api/conv2d.h"
#include "kernels/api/provide.h"
#include "kernels/common/with_flag.h"
#include "kernels/cuda/conv2d_library.h"
#include "kernels/cuda/register_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"
#include "kernels/cuda/tile_grid.cuh"

// The three faces of the convolution share this ladder. A `Face` says what differs between them:
//
//   SWITCHYARD_CONV_FACE("conv2d");                         // its rungs' names begin so
//   template <class T> using Kernel = Conv2d<T>;
//   // Returns whether operands may be read 16 bytes at a time.
//   template <class T> static bool wide(const Kernel<T>&);
//   template <class T> static void thread_per_output(KernelExecutor&, const Kernel<T>&);
//   template <class Tiles, bool kWide>                      // Tiles as with_tile takes them
//   static void implicit_gemm(KernelExecutor&, name, const Kernel<typename Tiles::Operand>&);

namespace switchyard::kernels {

#define SWITCHYARD_CONV_FACE(operation)                                             \
  static constexpr const char* kThreadPerOutput = operation "_thread_per_output";   \
  static constexpr const char* kRegisterTile = operation "_register_tile";          \
  static constexpr const char* kRegisterTileWide = operation "_register_tile_wide"; \
  static constexpr const char* kTensorCore = operation "_tensor_core";              \
  static constexpr const char* kTensorCoreTf32 = operation "_tensor_core_tf32";     \
  static constexpr const char* kCudnn = operation "_cudnn"

/// The rungs of one face.
template <class Face>
struct ConvRungs {
  template <class T>
  using Kernel = typename Face::template Kernel<T>;
  template <class T>
  using FloatTiles = RegisterTiles<T, 128, 64>;

  template <class T>
  static void register_tile(KernelExecutor& exec, const Kernel<T>& a) {
    Face::template implicit_gemm<FloatTiles<T>, false>(exec, Face::kRegisterTile, a);
  }

  template <class T>
  static void register_tile_wide(KernelExecutor& exec, const Kernel<T>& a) {
    Face::template implicit_gemm<FloatTiles<T>, true>(exec, Face::kRegisterTileWide, a);
  }

  template <class Mma>
  static void tensor_core(KernelExecutor& exec, const Kernel<typename Mma::Operand>& a) {
    with_flag(Face::wide(a), [&](auto wide) {
      Face::template implicit_gemm<TensorCoreTiles<Mma>, decltype(wide)::value>(
          exec, Face::kTensorCore, a);
    });
  }

  template <class T>
  static constexpr auto kLadder = std::to_array<Rung<KernelExecutor, Kernel<T>>>({
      {Face::kThreadPerOutput, Face::template thread_per_output<T>},
      {Face::kRegisterTile, register_tile<T>},
      {Face::kRegisterTileWide, register_tile_wide<T>, {kWideNeeds, Face::template wide<T>}},
      tensor_core_rung<Kernel<T>>(Face::kTensorCore, Face::kTensorCoreTf32,
                                  std::is_same_v<T, float>, tensor_core<MmaFor<T>>),
#ifdef __CUDACC__
      {.name = Face::kCudnn,
       .run = conv2d_cudnn<Kernel<T>>,
       .pays = {"to be asked for: the hand-written kernels are the default", never<Kernel<T>>}},
#endif
  });

  static constexpr auto kBf16Ladder = std::to_array<Rung<KernelExecutor, Kernel<BFloat16>>>(
      {{Face::kThreadPerOutput, Face::template thread_per_output<BFloat16>},
       {Face::kTensorCore, tensor_core<MmaBf16>}});
};

}  // namespace switchyard::kernels

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "kernels/common/launch.h"

namespace switchyard::kernels {

/// A block's static shared memory ends here; more is dynamic, and the launch has to ask for it
/// (CUDA C++ Programming Guide, "Shared Memory", compute capability 8.0).
inline constexpr std::size_t kMostStaticShared = std::size_t{48} << 10;

/// Dynamic shared memory that a launch with this tile asks for.
template <class Tile>
inline constexpr std::size_t kTileDynamicShared = sizeof(typename Tile::Shared) > kMostStaticShared
                                                      ? sizeof(typename Tile::Shared)
                                                      : 0;

/// The block's shared memory for a tile, of one kind or the other.
template <class Tile>
__device__ __forceinline__ typename Tile::Shared& tile_shared() {
  using Shared = typename Tile::Shared;
  constexpr bool kIsDynamic = kTileDynamicShared<Tile> != 0;
  if constexpr (kIsDynamic) {
    SWITCHYARD_DYNAMIC_SHARED(Shared, memory);
#ifdef __CUDACC__
    // For `switchyard resources`, which reads the PTX.
    asm volatile("// switchyard_dynamic_shared_bytes %0" ::"n"(sizeof(Shared)));
#endif
    return *memory;
  } else {
    __shared__ Shared memory;
    return memory;
  }
}

/// Asks for a line of blocks, as many as the product of `blocks`, with the tile's threads and
/// shared memory. Errors: Refusal naming the kernel for more blocks than a grid has.
template <class Tile>
LaunchShape tile_line(const char* kernel, std::initializer_list<std::int64_t> blocks) {
  LaunchShape shape = launch_shape(kernel, Line{blocks, Tile::kThreads});
  shape.dynamic_shared_bytes = kTileDynamicShared<Tile>;
  return shape;
}

}  // namespace switchyard::kernels

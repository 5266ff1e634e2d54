#pragma once

#include "kernels/api/grouped_matmul.h"
#include "kernels/common/sizes.h"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/register_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"

namespace switchyard::kernels {

/// GroupedShape in 32 bits, and where the experts' segments of rows begin. The offsets lie on the
/// device: the host never learns the segments' lengths, the kernels find their work there.
struct GroupedExtents {
  const std::int64_t* offsets;  // [experts + 1]
  int rows, experts, inner, cols;

  /// Counts the weights of one expert.
  __device__ std::int64_t weights() const { return std::int64_t{inner} * cols; }
};

/// Errors: Refusal naming kernel and extent where an index does not fit 32 bits.
inline GroupedExtents grouped_extents(const char* kernel, const GroupedShape& s,
                                      const std::int64_t* offsets) {
  return {.offsets = offsets,
          .rows = checked_extent(kernel, "rows", s.rows),
          .experts = checked_extent(kernel, "experts", s.experts),
          .inner = checked_extent(kernel, "inner", s.inner),
          .cols = checked_extent(kernel, "cols", s.cols)};
}

/// Rows and columns of a block's tile, in the forward product as in the weight gradient.
inline constexpr int kGroupedTile = 64;
template <class T>
using GroupedTile = RegisterTile<T, kGroupedTile, kGroupedTile>;
/// The same on tensor cores, which take bfloat16 as it is.
template <class T>
using GroupedTensorCoreTile =
    TensorCoreTile<std::conditional_t<std::is_same_v<T, BFloat16>, MmaBf16, MmaFor<T>>,
                   kGroupedTile, kGroupedTile>;

}  // namespace switchyard::kernels

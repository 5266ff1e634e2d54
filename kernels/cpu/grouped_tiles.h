#pragma once

#include "kernels/api/grouped_matmul.h"

namespace switchyard::kernels {

/// Grouped products out of tiles (tile_product.h) of blocks of an expert's rows, all in the cache.
/// A row's bits depend on that row and its expert's matrix alone.
template <class T>
void grouped_matmul_tiles(Cpu& cpu, const GroupedMatmul<T>& a);
/// The same plus `addend` [rows, cols], to which a row's terms are added one stretch of depth after
/// the other; y itself, memory apart, or null for nothing.
template <class T>
void grouped_matmul_add_tiles(Cpu& cpu, const GroupedMatmul<T>& a, const T* addend);
template <class T>
void grouped_matmul_weight_grad_tiles(Cpu& cpu, const GroupedMatmulWeightGrad<T>& a);

}  // namespace switchyard::kernels

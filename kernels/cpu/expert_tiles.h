#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cpu/expert_blocks.h"

// Rectangles of experts' results, which are tasks for all threads: small experts keep the cores
// busy together, a large one is shared. They depend on the sizes alone, hence so do the bits.

namespace switchyard::kernels {

/// A rectangle of one expert's result.
struct ExpertTile {
  std::int64_t expert, row, rows, col, cols;
};

/// Tiles of at most edge x edge elements that cover each expert's result
/// [rows_of(expert), cols].
template <class RowsOf>
std::vector<ExpertTile> tiles_of(std::int64_t experts, std::int64_t cols, std::int64_t edge,
                                 const RowsOf& rows_of) {
  std::vector<ExpertTile> tiles;
  for (std::int64_t e = 0; e < experts; ++e) {
    const std::int64_t rows = rows_of(e);
    for (std::int64_t row = 0; row < rows; row += edge) {
      for (std::int64_t col = 0; col < cols; col += edge) {
        tiles.push_back({e, row, std::min(edge, rows - row), col, std::min(edge, cols - col)});
      }
    }
  }
  return tiles;
}

}  // namespace switchyard::kernels

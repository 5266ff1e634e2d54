#include "kernels/cpu/grouped_tiles.h"

#include <algorithm>

#include "kernels/cpu/expert_blocks.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_product.h"

namespace switchyard::kernels {
namespace {

/// Columns of a result that are made at a time.
constexpr std::int64_t kStretch = 512;
/// Rows of a gradient in one task at most, and rows of its operands that are added at a time.
constexpr std::int64_t kGradRows = 512;
constexpr std::int64_t kGradSlots = 256;

template <class T>
void multiply_block(const GroupedMatmul<T>& a, const T* addend, const Block& block) {
  const auto& [rows, experts, inner, cols] = a.shape;
  const std::int64_t stretch = std::min(kStretch, cols);
  const std::int64_t padded = round_up_to_lanes<T>(block.slots);
  T* const x =
      scratch<T>(Scratch::kMoePanels, static_cast<std::size_t>((inner + stretch) * kBlockSlots));
  T* const y = x + inner * kBlockSlots;
  const T* const w = a.w + block.expert * inner * cols;
  fill_panel<T>(
      block.slots, padded, inner,
      [&, width = inner](std::int64_t slot) { return a.x + (block.first + slot) * width; }, x,
      kBlockSlots);
  for (std::int64_t from = 0; from < cols; from += stretch) {
    const std::int64_t count = std::min(stretch, cols - from);
    const MatrixView<T> left = {a.transpose_w ? w + from * inner : w + from,
                                a.transpose_w ? inner : cols, !a.transpose_w};
    if (addend != nullptr) {
      const T* const rows_of_addend = addend + block.first * cols + from;
      fill_panel<T>(
          block.slots, padded, count,
          [rows_of_addend, width = cols](std::int64_t slot) {
            return rows_of_addend + slot * width;
          },
          y, kBlockSlots);
    }
    tile_product<T>(count, padded, inner, left, x, kBlockSlots, y, kBlockSlots,
                    addend != nullptr ? TileWrite::kAdd : TileWrite::kReplace);
    for (std::int64_t j = 0; a.bias != nullptr && j < count; ++j) {
      const T bias = a.bias[block.expert * cols + from + j];
      for (std::int64_t i = 0; i < padded; ++i) y[j * kBlockSlots + i] += bias;
    }
    empty_panel<T>(block.slots, count, y, kBlockSlots,
                   [&, width = cols](std::int64_t slot, std::int64_t column) {
                     return a.y + (block.first + slot) * width + from + column;
                   });
  }
}

template <class T>
void sum_products(const GroupedMatmulWeightGrad<T>& a, const GradTask& task) {
  const auto& [all_rows, experts, inner, cols] = a.shape;
  const std::int64_t width = strip_columns<T>();
  const std::int64_t strips = (cols + width - 1) / width;
  T* const right =
      scratch<T>(Scratch::kMoePanels, static_cast<std::size_t>(strips * kGradSlots * width));
  T* const gw = a.gw + (task.expert * inner + task.row) * cols;
  const std::int64_t begin = a.offsets[task.expert];
  const std::int64_t end = a.offsets[task.expert + 1];
  const double bytes = bytes_of<T>(experts * inner * cols);
  if (begin == end) std::fill_n(gw, task.rows * cols, T{0});
  for (std::int64_t first = begin; first < end; first += kGradSlots) {
    const std::int64_t slots = std::min(kGradSlots, end - first);
    copy_to_strips<T>(
        slots, cols,
        [&, columns = cols](std::int64_t slot) { return a.gy + (first + slot) * columns; }, right,
        kGradSlots);
    tile_product_strips<T>(task.rows, cols, slots, {a.x + first * inner + task.row, inner, true},
                           right, kGradSlots * width, gw, cols,
                           write_summand(first == begin, first + slots == end, bytes));
  }
}

}  // namespace

template <class T>
void grouped_matmul_add_tiles(Cpu&, const GroupedMatmul<T>& a, const T* addend) {
  for_each_task(blocks_of(a.shape.experts, a.offsets),
                [&a, addend](const Block& block) { multiply_block(a, addend, block); });
}

template <class T>
void grouped_matmul_tiles(Cpu& cpu, const GroupedMatmul<T>& a) {
  grouped_matmul_add_tiles<T>(cpu, a, nullptr);
}

template <class T>
void grouped_matmul_weight_grad_tiles(Cpu&, const GroupedMatmulWeightGrad<T>& a) {
  // Fewer rows a task where few experts would leave threads without one; no bit depends on it.
  constexpr std::int64_t kManyExperts = 8;
  const std::int64_t size = a.shape.experts >= kManyExperts ? kGradRows : kGradRows / 4;
  for_each_task(grad_tasks(a.shape.experts, a.shape.inner, size),
                [&a](const GradTask& task) { sum_products(a, task); });
}

template void grouped_matmul_tiles(Cpu&, const GroupedMatmul<float>&);
template void grouped_matmul_tiles(Cpu&, const GroupedMatmul<double>&);
template void grouped_matmul_add_tiles(Cpu&, const GroupedMatmul<float>&, const float*);
template void grouped_matmul_add_tiles(Cpu&, const GroupedMatmul<double>&, const double*);
template void grouped_matmul_weight_grad_tiles(Cpu&, const GroupedMatmulWeightGrad<float>&);
template void grouped_matmul_weight_grad_tiles(Cpu&, const GroupedMatmulWeightGrad<double>&);

}  // namespace switchyard::kernels

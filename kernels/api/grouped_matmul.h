#pragma once

#include <cstdint>

#include "kernels/api/kernel.h"

namespace switchyard::kernels {

/// Sizes of a matrix product per expert over contiguous segments of rows: rows
/// [offsets[e], offsets[e+1]) belong to expert e, and `offsets` [E+1] ascends from 0 to `rows`.
struct GroupedShape {
  std::int64_t rows = 0;
  std::int64_t experts = 0;
  std::int64_t inner = 0;  ///< K, columns of x
  std::int64_t cols = 0;   ///< N, columns of y

  double flops() const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) * static_cast<double>(cols);
  }
};

/// y[s] = x[s] · W_e + bias_e for each row s of expert e's segment, or x[s] · W_eᵀ + bias_e. T is
/// float, double or bfloat16, whose sums are float32 and rounded once. The bits of y do not depend
/// on the thread count.
template <class T>
struct GroupedMatmul {
  static constexpr std::string_view kName = "grouped_matmul";
  GroupedShape shape;
  const std::int64_t* offsets = nullptr;  ///< [experts + 1], in the executor's memory
  const T* x = nullptr;                   ///< [rows, inner]
  const T* w = nullptr;                   ///< [experts, inner, cols]
  bool transpose_w = false;               ///< w is [experts, cols, inner]
  const T* bias = nullptr;                ///< [experts, cols], or null for zeros
  T* y = nullptr;                         ///< [rows, cols]
  /// Every expert's matrix counts, though an expert without rows needs none: the host does not know
  /// the segments.
  Work work() const {
    const auto& [rows, experts, inner, cols] = shape;
    const std::int64_t biases = bias != nullptr ? experts * cols : 0;
    return {.bytes = bytes_of<T>(rows * inner + experts * inner * cols + rows * cols + biases) +
                     bytes_of<std::int64_t>(experts + 1),
            .flops = shape.flops()};
  }
};

/// gw_e = Σ_s x[s]ᵀ · gy[s] over each expert's segment; zeros for an expert without rows.
template <class T>
struct GroupedMatmulWeightGrad {
  static constexpr std::string_view kName = "grouped_matmul_weight_grad";
  GroupedShape shape;
  const std::int64_t* offsets = nullptr;  ///< [experts + 1], in the executor's memory
  const T* x = nullptr;                   ///< [rows, inner]
  const T* gy = nullptr;                  ///< [rows, cols]
  T* gw = nullptr;                        ///< [experts, inner, cols]
  Work work() const {
    const auto& [rows, experts, inner, cols] = shape;
    return {.bytes = bytes_of<T>(rows * inner + experts * inner * cols + rows * cols) +
                     bytes_of<std::int64_t>(experts + 1),
            .flops = shape.flops()};
  }
};

/// y_e = Σ_s x[s] over each expert's segment, in double; zeros for an expert without rows. The
/// gradient of GroupedMatmul::bias.
template <class T>
struct SegmentSum {
  static constexpr std::string_view kName = "segment_sum";
  const std::int64_t* offsets = nullptr;  ///< [experts + 1], in the executor's memory
  const T* x = nullptr;                   ///< [rows, cols]
  T* y = nullptr;                         ///< [experts, cols]
  std::int64_t rows = 0;
  std::int64_t experts = 0;
  std::int64_t cols = 0;
  Work work() const {
    return {.bytes = bytes_of<T>((rows + experts) * cols) + bytes_of<std::int64_t>(experts + 1)};
  }
};

}  // namespace switchyard::kernels

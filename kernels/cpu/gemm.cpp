#define EIGEN_DONT_PARALLELIZE  // threads come from parallel_for
#include "kernels/cpu/gemm.h"

#include <oneapi/dnnl/dnnl.h>

#include <Eigen/Core>
#include <algorithm>

#include "kernels/api/error.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowStride = Eigen::OuterStride<>;

Eigen::Map<const RowMajor, 0, RowStride> stored(const MatrixView<double>& view, std::int64_t rows,
                                                std::int64_t cols) {
  if (view.transposed) std::swap(rows, cols);
  return {view.data, rows, cols, RowStride(view.stride)};
}

/// Edge of a tile along an axis of `size`: a sixteenth of it, but large enough to pay for packing
/// the operands of a tile, in whole vector blocks.
std::int64_t tile_edge(std::int64_t size) {
  constexpr std::int64_t kSmallest = 128;
  constexpr std::int64_t kBlock = 16;
  const std::int64_t sixteenth = (size + 15) / 16;
  return std::max(kSmallest, (sixteenth + kBlock - 1) / kBlock * kBlock);
}

}  // namespace

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<float> a, MatrixView<float> b,
          float* c, std::int64_t c_stride, bool accumulate) {
  const SingleThread scope;
  const dnnl_status_t status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, 1.0F, a.data,
                 a.stride, b.data, b.stride, accumulate ? 1.0F : 0.0F, c, c_stride);
  if (status != dnnl_success) throw Error("oneDNN refused a matrix product");
}

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<double> a,
          MatrixView<double> b, double* c, std::int64_t c_stride, bool accumulate) {
  Eigen::Map<RowMajor, 0, RowStride> product(c, m, n, RowStride(c_stride));
  const auto left = stored(a, m, k);
  const auto right = stored(b, k, n);
  if (!accumulate) product.setZero();
  if (a.transposed && b.transposed) {
    product.noalias() += left.transpose() * right.transpose();
  } else if (a.transposed) {
    product.noalias() += left.transpose() * right;
  } else if (b.transposed) {
    product.noalias() += left * right.transpose();
  } else {
    product.noalias() += left * right;
  }
}

template <class T>
void parallel_gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<T> a, MatrixView<T> b,
                   ResultOf<T>* c, std::int64_t c_stride, bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (accumulate) return;
    for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_stride, n, ResultOf<T>(0));
    return;
  }
  const std::int64_t tile_m = tile_edge(m);
  const std::int64_t tile_n = tile_edge(n);
  const std::int64_t tiles_n = (n + tile_n - 1) / tile_n;
  const std::int64_t tiles = (m + tile_m - 1) / tile_m * tiles_n;
  parallel_for(tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const std::int64_t i = tile / tiles_n * tile_m;
      const std::int64_t j = tile % tiles_n * tile_n;
      gemm(std::min(tile_m, m - i), std::min(tile_n, n - j), k, a.from(i, 0), b.from(0, j),
           c + i * c_stride + j, c_stride, accumulate);
    }
  });
}
template void parallel_gemm(std::int64_t, std::int64_t, std::int64_t, MatrixView<float>,
                            MatrixView<float>, float*, std::int64_t, bool);
template void parallel_gemm(std::int64_t, std::int64_t, std::int64_t, MatrixView<double>,
                            MatrixView<double>, double*, std::int64_t, bool);
template void parallel_gemm(std::int64_t, std::int64_t, std::int64_t, MatrixView<BFloat16>,
                            MatrixView<BFloat16>, float*, std::int64_t, bool);

}  // namespace switchyard::kernels

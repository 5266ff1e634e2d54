#include "analysis/graph/snapshot.h"

#include <algorithm>
#include <cmath>

namespace switchyard::graph {
namespace {

/// Means of blocks of x, seen as a matrix whose columns are the last axis.
void fill_cells(Snapshot& shot, const std::vector<double>& x, int most) {
  const std::int64_t width = std::max<std::int64_t>(1, shot.shape[shot.shape.rank() - 1]);
  const std::int64_t height = static_cast<std::int64_t>(x.size()) / width;
  shot.rows = static_cast<int>(std::min<std::int64_t>(height, most));
  shot.columns = static_cast<int>(std::min<std::int64_t>(width, most));
  const auto count = static_cast<std::size_t>(shot.rows * shot.columns);
  std::vector<double> sums(count, 0.0);
  std::vector<double> terms(count, 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t row = static_cast<std::int64_t>(i) / width * shot.rows / height;
    const std::int64_t column = static_cast<std::int64_t>(i) % width * shot.columns / width;
    const auto cell = static_cast<std::size_t>(row * shot.columns + column);
    sums[cell] += x[i];
    terms[cell] += 1.0;
  }
  for (std::size_t i = 0; i < count; ++i) shot.cells.push_back(sums[i] / terms[i]);
}

}  // namespace

Snapshot snapshot(const Tensor& tensor, const SnapshotSizes& sizes) {
  if (!tensor.defined()) return {};
  Snapshot shot{.defined = true, .shape = tensor.shape(), .dtype = tensor.dtype()};
  std::vector<double> x = tensor.to_doubles();
  if (x.empty()) return shot;
  const auto [least, greatest] = std::minmax_element(x.begin(), x.end());
  shot.least = *least;
  shot.greatest = *greatest;
  double squares = 0.0;
  for (const double value : x) {
    shot.mean += value / static_cast<double>(x.size());
    squares += value * value;
  }
  shot.norm = std::sqrt(squares);
  if (tensor.numel() <= sizes.whole) {
    shot.values = std::move(x);
  } else if (sizes.cells > 0) {
    fill_cells(shot, x, sizes.cells);
  }
  return shot;
}

}  // namespace switchyard::graph

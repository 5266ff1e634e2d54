#include "kernels/cpu/panel.h"

#include <gtest/gtest.h>

#include <vector>

namespace switchyard::test {
namespace {

/// Rows and columns around the squares of 8 that are turned at once.
template <class T>
void check_round_trip(std::int64_t rows, std::int64_t columns) {
  const std::int64_t stride = rows + 5;
  std::vector<T> matrix(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<T>(i + 1);
  std::vector<T> panel(static_cast<std::size_t>(columns * stride), T{-1});
  kernels::fill_panel<T>(
      rows, rows + 2, columns, [&](std::int64_t row) { return matrix.data() + row * columns; },
      panel.data(), stride);
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t row = 0; row < stride; ++row) {
      const T want = row < rows       ? matrix[static_cast<std::size_t>(row * columns + column)]
                     : row < rows + 2 ? T{0}
                                      : T{-1};
      ASSERT_EQ(panel[static_cast<std::size_t>(column * stride + row)], want) << rows << columns;
    }
  }
  std::vector<T> back(matrix.size(), T{-1});
  kernels::empty_panel<T>(
      rows, columns, panel.data(), stride,
      [&](std::int64_t row, std::int64_t column) { return back.data() + row * columns + column; });
  ASSERT_EQ(back, matrix) << rows << " x " << columns;
}

TEST(Panel, TurnsRowsAndTurnsThemBack) {
  for (const std::int64_t rows : {0, 1, 7, 8, 9, 24, 33}) {
    for (const std::int64_t columns : {0, 1, 5, 8, 17, 40}) {
      check_round_trip<float>(rows, columns);
      check_round_trip<double>(rows, columns);
    }
  }
}

}  // namespace
}  // namespace switchyard::test

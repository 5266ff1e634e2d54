#include "kernels/api/matmul.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::GroupedShape;
using kernels::MatmulShape;

/// A row-major matrix as numbers, or the transpose of one.
struct Matrix {
  std::vector<double> values;
  std::int64_t stride = 0;
  bool transposed = false;

  double operator()(std::int64_t i, std::int64_t j) const {
    return values[static_cast<std::size_t>(transposed ? j * stride + i : i * stride + j)];
  }
};

/// Rows [begin, end) of a times rows of b.
std::vector<double> plain_product(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix& a,
                                  const Matrix& b) {
  std::vector<double> c;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) sum += a(i, l) * b(l, j);
      c.push_back(sum);
    }
  }
  return c;
}

template <class T>
std::vector<double> kernel_product(const MatmulShape& s) {
  const Tensor a = random_tensor({s.m * s.k}, 1, kDTypeOf<T>);
  const Tensor b = random_tensor({s.k * s.n}, 2, kDTypeOf<T>);
  GuardedBuffer<T> c(s.m * s.n);
  Cpu cpu;
  run(cpu, kernels::Matmul<T>{s, a.data<T>(), b.data<T>(), c.data()});
  return c.values();
}

std::vector<MatmulShape> product_shapes() {
  std::vector<MatmulShape> shapes;
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                        {31, 33, 127},
                                                                        {128, 10, 512},
                                                                        {3, 300, 40},
                                                                        {400, 5, 1},
                                                                        {0, 4, 3},
                                                                        {4, 0, 3},
                                                                        {4, 3, 0}}) {
    for (int flags = 0; flags < 4; ++flags) {
      shapes.push_back({m, n, k, (flags & 1) != 0, (flags & 2) != 0});
    }
  }
  return shapes;
}

template <class T>
void expect_products_match_plain_loops() {
  for (const MatmulShape& s : product_shapes()) {
    SCOPED_TRACE(fmt::format("{}x{}x{} {} {}", s.m, s.n, s.k, s.transpose_a, s.transpose_b));
    const Matrix a = {random_tensor({s.m * s.k}, 1, kDTypeOf<T>).to_doubles(),
                      s.transpose_a ? s.m : s.k, s.transpose_a};
    const Matrix b = {random_tensor({s.k * s.n}, 2, kDTypeOf<T>).to_doubles(),
                      s.transpose_b ? s.k : s.n, s.transpose_b};
    EXPECT_LE(relative_error(kernel_product<T>(s), plain_product(s.m, s.n, s.k, a, b)),
              tolerance(kDTypeOf<T>));
  }
}

TEST(MatmulKernel, Float64MatchesPlainLoops) { expect_products_match_plain_loops<double>(); }
TEST(MatmulKernel, Float32MatchesPlainLoops) { expect_products_match_plain_loops<float>(); }

/// The kernel's results on one and on three threads.
template <class F>
auto on_one_and_three_threads(F&& f) {
  const int before = kernels::thread_count();
  kernels::set_thread_count(1);
  auto one = f();
  kernels::set_thread_count(3);
  auto three = f();
  kernels::set_thread_count(before);
  return std::pair(one, three);
}

TEST(MatmulKernel, SameBitsOnAnyNumberOfThreads) {
  for (const MatmulShape& s : product_shapes()) {
    const auto [one, three] = on_one_and_three_threads([&] { return kernel_product<float>(s); });
    EXPECT_EQ(one, three);
    const auto [one64, three64] =
        on_one_and_three_threads([&] { return kernel_product<double>(s); });
    EXPECT_EQ(one64, three64);
  }
}

// ---- per expert

struct Segments {
  std::vector<std::int64_t> offsets;
  std::int64_t inner, cols;

  GroupedShape shape() const {
    return {offsets.back(), static_cast<std::int64_t>(offsets.size()) - 1, inner, cols};
  }
};

const std::vector<Segments> kSegments = {
    {{0, 1}, 1, 1},                 // one row
    {{0, 31, 31, 64, 65}, 33, 17},  // an empty expert
    {{0, 0, 300, 300}, 129, 140},   // one busy expert, several tiles
    {{0, 0, 0}, 5, 4},              // no rows at all
    {{0, 2, 4}, 0, 3},              // empty sums
    {{0}, 3, 3},                    // no experts
};

struct Grouped {
  std::vector<double> y, y_transposed, gw;
  bool operator==(const Grouped&) const = default;
};

template <class T>
Grouped kernel_grouped(const Segments& segments) {
  const GroupedShape s = segments.shape();
  const Tensor x = random_tensor({s.rows * s.inner}, 1, kDTypeOf<T>);
  const Tensor w = random_tensor({s.experts * s.inner * s.cols}, 2, kDTypeOf<T>);
  const Tensor gy = random_tensor({s.rows * s.cols}, 3, kDTypeOf<T>);
  GuardedBuffer<T> y(s.rows * s.cols);
  GuardedBuffer<T> y_transposed(s.rows * s.cols);
  GuardedBuffer<T> gw(s.experts * s.inner * s.cols);
  Cpu cpu;
  const std::int64_t* offsets = segments.offsets.data();
  kernels::GroupedMatmul<T> product = {
      .shape = s, .offsets = offsets, .x = x.data<T>(), .w = w.data<T>(), .y = y.data()};
  run(cpu, product);
  product.transpose_w = true;
  product.y = y_transposed.data();
  run(cpu, product);
  run(cpu, kernels::GroupedMatmulWeightGrad<T>{s, offsets, x.data<T>(), gy.data<T>(), gw.data()});
  return {y.values(), y_transposed.values(), gw.values()};
}

/// Rows of a [rows, cols] matrix from `row` on.
Matrix rows_from(const Tensor& x, std::int64_t row, std::int64_t cols, bool transposed = false) {
  const std::vector<double> all = x.to_doubles();
  return {{all.begin() + row * cols, all.end()}, cols, transposed};
}

void append(std::vector<double>& to, const std::vector<double>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

template <class T>
Grouped plain_grouped(const Segments& segments) {
  const GroupedShape s = segments.shape();
  const Tensor x = random_tensor({s.rows * s.inner}, 1, kDTypeOf<T>);
  const Tensor w = random_tensor({s.experts * s.inner * s.cols}, 2, kDTypeOf<T>);
  const Tensor gy = random_tensor({s.rows * s.cols}, 3, kDTypeOf<T>);
  Grouped result;
  for (std::int64_t e = 0; e < s.experts; ++e) {
    const std::int64_t first = segments.offsets[static_cast<std::size_t>(e)];
    const std::int64_t rows = segments.offsets[static_cast<std::size_t>(e) + 1] - first;
    const Matrix xs = rows_from(x, first, s.inner);
    append(result.y, plain_product(rows, s.cols, s.inner, xs, rows_from(w, e * s.inner, s.cols)));
    append(result.y_transposed,
           plain_product(rows, s.cols, s.inner, xs, rows_from(w, e * s.cols, s.inner, true)));
    append(result.gw, plain_product(s.inner, s.cols, rows, rows_from(x, first, s.inner, true),
                                    rows_from(gy, first, s.cols)));
  }
  return result;
}

template <class T>
void expect_grouped_match_plain_loops() {
  for (const Segments& segments : kSegments) {
    SCOPED_TRACE(testing::PrintToString(segments.offsets));
    const Grouped got = kernel_grouped<T>(segments);
    const Grouped want = plain_grouped<T>(segments);
    EXPECT_LE(relative_error(got.y, want.y), tolerance(kDTypeOf<T>));
    EXPECT_LE(relative_error(got.y_transposed, want.y_transposed), tolerance(kDTypeOf<T>));
    EXPECT_LE(relative_error(got.gw, want.gw), tolerance(kDTypeOf<T>));
  }
}

TEST(GroupedMatmulKernel, Float64MatchesPlainLoops) { expect_grouped_match_plain_loops<double>(); }
TEST(GroupedMatmulKernel, Float32MatchesPlainLoops) { expect_grouped_match_plain_loops<float>(); }

TEST(GroupedMatmulKernel, SameBitsOnAnyNumberOfThreads) {
  for (const Segments& segments : kSegments) {
    const auto [one, three] =
        on_one_and_three_threads([&] { return kernel_grouped<float>(segments); });
    EXPECT_EQ(one, three);
    const auto [one64, three64] =
        on_one_and_three_threads([&] { return kernel_grouped<double>(segments); });
    EXPECT_EQ(one64, three64);
  }
}

}  // namespace
}  // namespace switchyard::test

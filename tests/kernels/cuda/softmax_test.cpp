#include "kernels/api/softmax.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::Simt;

struct Matrix {
  std::int64_t rows, columns;
};
const std::vector<Matrix> kSizes = {{0, 5},   {1, 1},   {1, 31},  {3, 33},   {33, 1},  {31, 10},
                                    {257, 4}, {5, 127}, {2, 256}, {2, 1000}, {1, 2049}};

/// One call's operands and what every operation makes of them, in float64.
template <class T>
struct Problem {
  std::int64_t rows, columns;
  std::vector<T> x, gy, g;
  std::vector<std::int64_t> labels;
  std::vector<double> p, log_p, gx, log_gx, losses, loss_gx;

  explicit Problem(const Matrix& size) : rows(size.rows), columns(size.columns) {
    x = numbers(rows * columns, 1);
    gy = numbers(rows * columns, 2);
    g = {static_cast<T>(0.7)};
    for (std::int64_t r = 0; r < rows; ++r) labels.push_back(r * 7919 % columns);
    for (std::int64_t r = 0; r < rows; ++r) solve_row(r);
  }
  static std::vector<T> numbers(std::int64_t count, std::uint64_t seed) {
    std::vector<T> values;
    for (const double v : random_tensor({count}, seed).to_doubles()) {
      values.push_back(static_cast<T>(v));
    }
    return values;
  }
  void solve_row(std::int64_t r) {
    const auto at = [&](std::int64_t j) { return static_cast<std::size_t>(r * columns + j); };
    const std::int64_t label = labels[static_cast<std::size_t>(r)];
    double sum = 0.0;
    double mean = 0.0;
    double total = 0.0;
    double most = x[at(0)];
    for (std::int64_t j = 1; j < columns; ++j) most = std::max(most, double{x[at(j)]});
    for (std::int64_t j = 0; j < columns; ++j) sum += std::exp(double{x[at(j)]} - most);
    for (std::int64_t j = 0; j < columns; ++j) {
      log_p.push_back((double{x[at(j)]} - most) - std::log(sum));
      p.push_back(std::exp(log_p.back()));
      mean += p.back() * gy[at(j)];
      total += gy[at(j)];
      loss_gx.push_back(g[0] * (p.back() - (j == label ? 1.0 : 0.0)) / static_cast<double>(rows));
    }
    for (std::int64_t j = 0; j < columns; ++j) {
      gx.push_back(p[at(j)] * (gy[at(j)] - mean));
      log_gx.push_back(gy[at(j)] - p[at(j)] * total);
    }
    losses.push_back(-log_p[at(label)]);
  }
};

template <class T>
std::vector<T> rounded(const std::vector<double>& values) {
  return std::vector<T>(values.begin(), values.end());
}

/// Calls check(name, run) for every variant of a ladder.
template <class Ladder, class Check>
void for_variants(const Ladder& ladder, const Check& check) {
  for (const auto& variant : ladder) {
    SCOPED_TRACE(variant.name);
    check(variant.run);
  }
}

template <class T>
class CudaSoftmax : public testing::Test {
 protected:
  /// What `run`, a softmax or log-softmax, makes of a matrix.
  std::vector<double> forward(kernels::SoftmaxMapFunction<Simt, T>* run, const std::vector<T>& x,
                              std::int64_t rows, std::int64_t columns) {
    GuardedBuffer<T> y(rows * columns);
    run(simt_, x.data(), y.data(), rows, columns);
    return y.values();
  }
  std::vector<double> losses(kernels::CrossEntropyFunction<Simt, T>* run, const std::vector<T>& x,
                             const std::vector<std::int64_t>& labels, std::int64_t columns) {
    const auto rows = static_cast<std::int64_t>(labels.size());
    GuardedBuffer<T> y(rows);
    run(simt_, x.data(), labels.data(), y.data(), rows, columns);
    return y.values();
  }
  static void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
    EXPECT_LE(relative_error(got, want), tolerance(kDTypeOf<T>));
  }

  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaSoftmax, RealTypes);

TYPED_TEST(CudaSoftmax, EveryForwardVariantMatchesPlainLoops) {
  using T = TypeParam;
  for (const Matrix& size : kSizes) {
    SCOPED_TRACE(fmt::format("{} x {}", size.rows, size.columns));
    const Problem<T> in(size);
    const auto softmax = [&](auto* run) {
      this->expect_near(this->forward(run, in.x, in.rows, in.columns), in.p);
    };
    const auto log_softmax = [&](auto* run) {
      this->expect_near(this->forward(run, in.x, in.rows, in.columns), in.log_p);
    };
    const auto cross_entropy = [&](auto* run) {
      this->expect_near(this->losses(run, in.x, in.labels, in.columns), in.losses);
    };
    for_variants(kernels::softmax_forward_ladder<Simt, T>(), softmax);
    softmax(kernels::softmax_forward<Simt, T>);
    for_variants(kernels::log_softmax_forward_ladder<Simt, T>(), log_softmax);
    log_softmax(kernels::log_softmax_forward<Simt, T>);
    for_variants(kernels::cross_entropy_forward_ladder<Simt, T>(), cross_entropy);
    cross_entropy(kernels::cross_entropy_forward<Simt, T>);
  }
}

TYPED_TEST(CudaSoftmax, EveryBackwardVariantMatchesPlainLoops) {
  using T = TypeParam;
  for (const Matrix& size : kSizes) {
    if (size.columns == 1) continue;  // every gradient is 0 up to rounding
    SCOPED_TRACE(fmt::format("{} x {}", size.rows, size.columns));
    const Problem<T> in(size);
    const std::vector<T> p = rounded<T>(in.p);
    const std::vector<T> log_p = rounded<T>(in.log_p);
    const auto gradient = [&](auto* run, const std::vector<T>& y, const std::vector<double>& want) {
      GuardedBuffer<T> gx(in.rows * in.columns);
      run(this->simt_, in.gy.data(), y.data(), gx.data(), in.rows, in.columns);
      this->expect_near(gx.values(), want);
    };
    const auto softmax = [&](auto* run) { gradient(run, p, in.gx); };
    const auto log_softmax = [&](auto* run) { gradient(run, log_p, in.log_gx); };
    const auto cross_entropy = [&](auto* run) {
      GuardedBuffer<T> gx(in.rows * in.columns);
      run(this->simt_, in.g.data(), p.data(), in.labels.data(), gx.data(), in.rows, in.columns);
      this->expect_near(gx.values(), in.loss_gx);
    };
    for_variants(kernels::softmax_backward_ladder<Simt, T>(), softmax);
    softmax(kernels::softmax_backward<Simt, T>);
    for_variants(kernels::log_softmax_backward_ladder<Simt, T>(), log_softmax);
    log_softmax(kernels::log_softmax_backward<Simt, T>);
    for_variants(kernels::cross_entropy_backward_ladder<Simt, T>(), cross_entropy);
    cross_entropy(kernels::cross_entropy_backward<Simt, T>);
  }
}

TYPED_TEST(CudaSoftmax, RowsOfInfinitiesAndNaNComeOutAsNaNAndNoOthers) {
  using T = TypeParam;
  constexpr T kInf = std::numeric_limits<T>::infinity();
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  constexpr std::int64_t kRows = 8, kColumns = 70;
  constexpr std::int64_t kBad = 5;  // rows 0 to 4
  std::vector<T> x = Problem<T>::numbers(kRows * kColumns, 3);
  const auto row = [&](std::int64_t r) { return x.begin() + r * kColumns; };
  row(0)[40] = kInf;
  row(1)[0] = kNaN;
  row(2)[69] = kNaN;
  std::fill_n(row(3), kColumns, -kInf);
  row(4)[3] = kInf;
  row(4)[4] = kInf;
  std::fill_n(row(5), kColumns - 1, -kInf);      // one finite logit, the last
  std::fill_n(row(6) + 1, kColumns - 1, -kInf);  // and the first
  for (std::int64_t j = 0; j < kColumns; ++j) row(7)[j] = static_cast<T>(1e30) * row(7)[j];
  std::vector<std::int64_t> labels(kRows, 0);
  labels[5] = kColumns - 1;
  const auto check = [&](const std::vector<double>& y, std::int64_t columns) {
    for (std::int64_t i = 0; i < kRows * columns; ++i) {
      EXPECT_EQ(std::isnan(y[static_cast<std::size_t>(i)]), i / columns < kBad) << i;
    }
  };
  for_variants(kernels::softmax_forward_ladder<Simt, T>(), [&](auto* run) {
    const std::vector<double> p = this->forward(run, x, kRows, kColumns);
    check(p, kColumns);
    EXPECT_EQ(p[5 * kColumns + kColumns - 1], 1.0);
    EXPECT_EQ(p[6 * kColumns], 1.0);
  });
  for_variants(kernels::log_softmax_forward_ladder<Simt, T>(),
               [&](auto* run) { check(this->forward(run, x, kRows, kColumns), kColumns); });
  for_variants(kernels::cross_entropy_forward_ladder<Simt, T>(),
               [&](auto* run) { check(this->losses(run, x, labels, kColumns), 1); });
}

TYPED_TEST(CudaSoftmax, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Problem<T> in({31, 100});
  for_variants(kernels::softmax_forward_ladder<Simt, T>(), [&](auto* run) {
    const std::vector<double> first = this->forward(run, in.x, in.rows, in.columns);
    for_thread_counts([&] { EXPECT_EQ(this->forward(run, in.x, in.rows, in.columns), first); });
  });
}

TYPED_TEST(CudaSoftmax, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  using T = TypeParam;
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  const T* const nothing = nullptr;
  T* const nowhere = nullptr;
  for (const auto& variant : kernels::softmax_forward_ladder<Simt, T>()) {
    const std::string text = error_text<std::invalid_argument>(
        [&] { variant.run(this->simt_, nothing, nowhere, 1, kMany); });
    EXPECT_EQ(text.find(fmt::format("[{}] columns of 2147483648", variant.name)), 0U) << text;
  }
  expect_error<std::invalid_argument>(
      [&] {
        kernels::softmax_forward_ladder<Simt, T>().back().run(this->simt_, nothing, nowhere, kMany,
                                                              3);
      },
      "blocks of 2147483648");
}

}  // namespace
}  // namespace switchyard::test

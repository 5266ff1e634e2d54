#include "kernels/api/softmax.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/api/run.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

template <class T>
class SoftmaxKernels : public testing::Test {
 protected:
  kernels::Cpu cpu_;
};
using Floating = testing::Types<float, double>;
TYPED_TEST_SUITE(SoftmaxKernels, Floating);

TYPED_TEST(SoftmaxKernels, WriteEveryElementAndNoOther) {
  using T = TypeParam;
  const double precise = sizeof(T) == 4 ? 1e-6 : 1e-14;
  for (std::int64_t rows : {0, 1, 33, 1000}) {
    for (std::int64_t columns : {1, 8, 31, 127}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns);
      const Tensor x = random_tensor({rows, columns}, 1, kDTypeOf<T>);
      const Tensor gy = random_tensor({rows, columns}, 2, kDTypeOf<T>);
      const std::int64_t n = rows * columns;
      GuardedBuffer<T> y(n), log_y(n), gx(n), log_gx(n);
      run(this->cpu_, kernels::SoftmaxForward<T>{x.data<T>(), y.data(), rows, columns});
      run(this->cpu_, kernels::LogSoftmaxForward<T>{x.data<T>(), log_y.data(), rows, columns});
      run(this->cpu_,
          kernels::SoftmaxBackward<T>{gy.data<T>(), y.data(), gx.data(), rows, columns});
      run(this->cpu_,
          kernels::LogSoftmaxBackward<T>{gy.data<T>(), log_y.data(), log_gx.data(), rows, columns});
      std::vector<double> p(static_cast<std::size_t>(n)), to_x(p.size()), to_log_x(p.size());
      for (std::int64_t row = 0; row < rows; ++row) {
        double sum = 0.0;
        double mean = 0.0;
        double total = 0.0;
        const auto at = [&](std::int64_t j) { return static_cast<std::size_t>(row * columns + j); };
        for (std::int64_t j = 0; j < columns; ++j) sum += std::exp(double{x.data<T>()[at(j)]});
        for (std::int64_t j = 0; j < columns; ++j) {
          p[at(j)] = std::exp(double{x.data<T>()[at(j)]}) / sum;
          mean += p[at(j)] * gy.data<T>()[at(j)];
          total += gy.data<T>()[at(j)];
        }
        for (std::int64_t j = 0; j < columns; ++j) {
          to_x[at(j)] = p[at(j)] * (gy.data<T>()[at(j)] - mean);
          to_log_x[at(j)] = gy.data<T>()[at(j)] - p[at(j)] * total;
        }
      }
      EXPECT_LE(relative_error(y.values(), p), precise);
      if (columns == 1) continue;  // the others are 0 up to rounding
      EXPECT_LE(relative_error(gx.values(), to_x), precise);
      EXPECT_LE(relative_error(log_gx.values(), to_log_x), precise);
      for (double& value : p) value = std::log(value);
      EXPECT_LE(relative_error(log_y.values(), p), precise);
    }
  }
}

TYPED_TEST(SoftmaxKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  const Tensor x = random_tensor({3001, 17}, 1, kDTypeOf<T>);
  Tensor labels = Tensor::empty({3001}, DType::kInt64);
  for (std::int64_t i = 0; i < 3001; ++i) labels.data<std::int64_t>()[i] = i % 17;
  const Tensor one = Tensor::scalar(1.0, x.dtype());
  Tensor first_losses;
  Tensor first_gx;
  for_thread_counts([&] {
    Tensor p = empty_like(x);
    Tensor gx = empty_like(x);
    Tensor losses = Tensor::empty({3001}, x.dtype());
    const std::int64_t* at = labels.data<std::int64_t>();
    run(this->cpu_, kernels::SoftmaxForward<T>{x.data<T>(), p.data<T>(), 3001, 17});
    run(this->cpu_, kernels::CrossEntropyForward<T>{x.data<T>(), at, losses.data<T>(), 3001, 17});
    run(this->cpu_,
        kernels::CrossEntropyBackward<T>{one.data<T>(), p.data<T>(), at, gx.data<T>(), 3001, 17});
    if (!first_gx.defined()) first_gx = gx;
    if (!first_losses.defined()) first_losses = losses;
    expect_same_bits(gx, first_gx);
    expect_same_bits(losses, first_losses);
  });
}

}  // namespace
}  // namespace switchyard::test

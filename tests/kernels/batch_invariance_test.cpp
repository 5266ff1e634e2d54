#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/matmul.h"
#include "kernels/api/run.h"
#ifdef SWITCHYARD_SIMT
#include "kernels/simt/run_grid.h"
#endif
#include "tests/support/expect_error.h"
#include "tests/support/random_numbers.h"
#include "tests/support/thread_counts.h"

// A product that asks for batch-invariant bits gives a row of its result the same ones whatever
// rows are multiplied with it, in every rung that takes such a call.

namespace switchyard::test {
namespace {

using kernels::BFloat16;
using kernels::Matmul;
using kernels::ResultOf;

/// Sizes of one row's product.
struct RowSize {
  std::int64_t n, k;
};
using RowSizes = std::vector<RowSize>;
/// An odd gate, several stretches of depth, several of columns.
const RowSizes kHostSizes = {{7, 37}, {16, 300}, {530, 20}};
/// An odd gate, several parts of the depth.
const RowSizes kExecutorSizes = {{7, 37}, {16, 130}};

/// Calls f(name, rows) for each rung that takes the call; rows(first, count) are the results of so
/// many rows of `a`, in place on as many rows of an addend if `adds`.
template <class Exec, class T, class F>
void for_each_invariant_rung(const RowSize& size, bool transpose_b, bool adds, std::int64_t most,
                             F&& f) {
  const std::vector<T> a = random_numbers<T>(most * size.k, 1);
  const std::vector<T> b = random_numbers<T>(size.k * size.n, 2);
  const std::vector<ResultOf<T>> addend = random_numbers<ResultOf<T>>(most * size.n, 3);
  const auto call = [&](std::int64_t first, std::int64_t count) {
    return Matmul<T>{.shape = {count, size.n, size.k, false, transpose_b},
                     .a = a.data() + first * size.k,
                     .b = b.data(),
                     .batch_invariant = true};
  };
  for (const auto& rung : kernels::ladder<Exec, Matmul<T>>()) {
    if (!rung.takes(call(0, most))) continue;
    f(rung.name, [&](std::int64_t first, std::int64_t count) {
      const auto begin = addend.begin() + first * size.n;
      std::vector<ResultOf<T>> c(begin, begin + count * size.n);
      Matmul<T> product = call(first, count);
      product.c = c.data();
      product.addend = adds ? c.data() : nullptr;
      Exec exec;
      kernels::run_rung(exec, rung, product);
      return c;
    });
  }
}

template <class Exec, class T>
void expect_invariant_rows(const RowSizes& sizes, std::int64_t most) {
  int rungs = 0;
  for (const RowSize& size : sizes) {
    for (const bool transpose_b : {false, true}) {
      const bool adds = transpose_b;  // each once
      for_each_invariant_rung<Exec, T>(
          size, transpose_b, adds, most, [&](auto name, const auto& rows) {
            SCOPED_TRACE(testing::Message()
                         << name << " n=" << size.n << " k=" << size.k << " " << adds);
            const auto all = rows(0, most);
            ++rungs;
            for_thread_counts([&] {
              for (const std::int64_t count :
                   {std::int64_t{1}, std::int64_t{2}, std::int64_t{7}, std::int64_t{64}, most}) {
                for (const std::int64_t first : {std::int64_t{0}, most - count}) {
                  const auto part = std::vector(all.begin() + first * size.n,
                                                all.begin() + (first + count) * size.n);
                  ASSERT_EQ(rows(first, count), part) << count << " rows from " << first;
                }
              }
            });
          });
    }
  }
  EXPECT_GT(rungs, 0);
}

TEST(BatchInvariance, RowsOnTheHost) {
  expect_invariant_rows<kernels::Cpu, float>(kHostSizes, 1000);
  expect_invariant_rows<kernels::Cpu, double>(kHostSizes, 1000);
  expect_invariant_rows<kernels::Cpu, BFloat16>(kHostSizes, 1000);
}

#ifdef SWITCHYARD_SIMT
TEST(BatchInvariance, RowsOnTheExecutor) {
  expect_invariant_rows<kernels::Simt, float>(kExecutorSizes, 130);
  expect_invariant_rows<kernels::Simt, double>(kExecutorSizes, 130);
  expect_invariant_rows<kernels::Simt, BFloat16>(kExecutorSizes, 130);
}
#endif

/// A library's rung says so instead of giving other bits.
TEST(BatchInvariance, RungsThatCannotPromiseItRefuse) {
  const std::vector<float> numbers(64, 1.0F);
  std::vector<float> c(64);
  kernels::Cpu cpu;
  expect_error<kernels::Refusal>(
      [&] {
        kernels::run_rung(cpu, "matmul_onednn_tiles",
                          Matmul<float>{.shape = {8, 8, 8},
                                        .a = numbers.data(),
                                        .b = numbers.data(),
                                        .c = c.data(),
                                        .batch_invariant = true});
      },
      "[matmul_onednn_tiles] needs a call that does not ask for batch-invariant bits");
}

}  // namespace
}  // namespace switchyard::test

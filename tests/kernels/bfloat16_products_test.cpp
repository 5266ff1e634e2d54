// Compares the CPU's products of bfloat16 operands with the float64 kernels on the same numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include "engine/core/bfloat16.h"
#include "kernels/api/grouped_matmul.h"
#include "kernels/api/matmul.h"
#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::GroupedMatmul;
using kernels::GroupedMatmulWeightGrad;
using kernels::GroupedShape;
using kernels::Matmul;

/// A result of bfloat16 is rounded once, by at most half a unit of its eighth digit.
constexpr double kRounding = 0x1p-9;

/// Standard normal numbers, in bfloat16 and the same ones in float64.
struct Operand {
  Operand(std::int64_t count, std::uint64_t seed)
      : narrow(random_tensor({count}, seed, DType::kBFloat16)), wide(narrow.to(DType::kFloat64)) {}
  template <class T>
  const T* data() const {
    const Tensor& operand = std::is_same_v<T, double> ? wide : narrow;
    return operand.data<T>();
  }
  Tensor narrow, wide;
};

struct Sizes {
  std::vector<std::int64_t> offsets;
  std::int64_t inner, cols;
  GroupedShape shape() const {
    return {offsets.back(), static_cast<std::int64_t>(offsets.size()) - 1, inner, cols};
  }
};

/// Lists one row, an empty expert, one busy expert of several tiles, no rows, empty sums, none.
const std::vector<Sizes> kSizes = {{{0, 1}, 1, 1},
                                   {{0, 31, 31, 64, 65}, 33, 17},
                                   {{0, 0, 300, 300}, 129, 270},
                                   {{0, 0, 0}, 5, 4},
                                   {{0, 2, 4}, 0, 3},
                                   {{0}, 3, 3}};

/// Calls body(rung) for the rungs that this processor has.
template <class Op, class Body>
void for_each_rung(const Body& body) {
  for (const auto& rung : kernels::ladder<Cpu, Op>()) {
    if (!rung.takes(Op{})) continue;
    SCOPED_TRACE(rung.name);
    body(rung);
  }
}

TEST(BFloat16Products, GroupedProductsOfEveryRungMatchFloat64) {
  Cpu cpu;
  for (const Sizes& sizes : kSizes) {
    SCOPED_TRACE(testing::PrintToString(sizes.offsets));
    const GroupedShape s = sizes.shape();
    const Operand x(s.rows * s.inner, 1);
    const Operand w(s.experts * s.inner * s.cols, 2);
    const Operand b(s.experts * s.cols, 3);
    for (const int flags : {0, 1, 2, 3}) {
      const bool biased = (flags & 2) != 0;
      const auto arguments = [&]<class T>(Tensor& y) {
        return GroupedMatmul<T>{.shape = s,
                                .offsets = sizes.offsets.data(),
                                .x = x.data<T>(),
                                .w = w.data<T>(),
                                .transpose_w = (flags & 1) != 0,
                                .bias = biased ? b.data<T>() : nullptr,
                                .y = y.data<T>()};
      };
      Tensor want = Tensor::empty({s.rows, s.cols}, DType::kFloat64);
      run(cpu, arguments.template operator()<double>(want));
      for_each_rung<GroupedMatmul<BFloat16>>([&](const auto& rung) {
        Tensor got = Tensor::full({s.rows, s.cols}, NAN, DType::kBFloat16);
        run_rung(cpu, rung, arguments.template operator()<BFloat16>(got));
        expect_close(got, want, kRounding);
      });
    }
  }
}

TEST(BFloat16Products, WeightGradientsOfEveryRungMatchFloat64) {
  Cpu cpu;
  for (const Sizes& sizes : kSizes) {
    SCOPED_TRACE(testing::PrintToString(sizes.offsets));
    const GroupedShape s = sizes.shape();
    const Operand x(s.rows * s.inner, 1);
    const Operand gy(s.rows * s.cols, 2);
    const auto arguments = [&]<class T>(Tensor& gw) {
      return GroupedMatmulWeightGrad<T>{.shape = s,
                                        .offsets = sizes.offsets.data(),
                                        .x = x.data<T>(),
                                        .gy = gy.data<T>(),
                                        .gw = gw.data<T>()};
    };
    Tensor want = Tensor::empty({s.experts, s.inner, s.cols}, DType::kFloat64);
    run(cpu, arguments.template operator()<double>(want));
    for_each_rung<GroupedMatmulWeightGrad<BFloat16>>([&](const auto& rung) {
      Tensor got = Tensor::full({s.experts, s.inner, s.cols}, NAN, DType::kBFloat16);
      run_rung(cpu, rung, arguments.template operator()<BFloat16>(got));
      expect_close(got, want, kRounding);
    });
  }
}

TEST(BFloat16Products, SameBitsOnAnyNumberOfThreads) {
  const int before = kernels::thread_count();
  Cpu cpu;
  const Operand a(300 * 129, 1);
  const Operand b(129 * 270, 2);
  std::vector<Tensor> results;
  for (const int threads : {1, 3}) {
    kernels::set_thread_count(threads);
    Tensor c = Tensor::empty({300, 270}, DType::kFloat32);
    run(cpu, Matmul<BFloat16>{.shape = {300, 270, 129},
                              .a = a.data<BFloat16>(),
                              .b = b.data<BFloat16>(),
                              .c = c.data<float>()});
    results.push_back(c);
  }
  kernels::set_thread_count(before);
  expect_same_bits(results[0], results[1]);
}

}  // namespace
}  // namespace switchyard::test

#include "engine/ops/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

const double kLog2 = std::log(2.0);

TEST(Gate, WeighsTheKeptInEveryOrder) {
  // e^x is 1, 4, 2, 4 over all: ties go to the lower expert.
  const Tensor logits = Tensor::from<double>({1, 4}, {0.0, 2 * kLog2, kLog2, 2 * kLog2});
  const auto expect = [&](GateOrder order, const std::vector<double>& weights) {
    const Choice choice = gate(logits, 3, order);
    EXPECT_EQ(choice.indices.to_doubles(), (std::vector<double>{1, 3, 2}));
    expect_close(choice.weights, weights, 1e-15);
  };
  expect(GateOrder::kTopKSoftmax, {0.4, 0.4, 0.2});
  expect(GateOrder::kSoftmaxTopK, {4.0 / 11, 4.0 / 11, 2.0 / 11});
  expect(GateOrder::kSoftmaxTopKRenormalized, {0.4, 0.4, 0.2});
}

TEST(Gate, NamesTheRowWithoutAChoice) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const double bad : {kInf, std::numeric_limits<double>::quiet_NaN()}) {
    Tensor logits = random_tensor({5, 3}, 1);
    logits.data<double>()[3 * 3 + 1] = bad;
    expect_error([&] { gate(logits, 1, GateOrder::kTopKSoftmax); },
                 "[gate] row 3 of the logits holds NaN or +inf or nothing above -inf");
  }
  const Tensor lowest = Tensor::full({1, 3}, -kInf, DType::kFloat32);
  expect_error([&] { gate(lowest, 1, GateOrder::kTopKSoftmax); }, "[gate] row 0");
}

TEST(Gate, NamesTheArgumentInErrors) {
  const Tensor logits = random_tensor({2, 3}, 1);
  const auto k_of = [&](std::int64_t k) {
    return [&logits, k] { gate(logits, k, GateOrder::kTopKSoftmax); };
  };
  expect_error(k_of(0), "[gate] k is 0, expected 1 to 3, the number of experts");
  expect_error(k_of(4), "[gate] k is 4");
  expect_error([] { gate(random_tensor({2}, 1), 1, GateOrder::kTopKSoftmax); },
               "[gate] needs logits [T, E], got [2]");
}

}  // namespace
}  // namespace switchyard::test

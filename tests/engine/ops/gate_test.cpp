#include "engine/ops/gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/autograd/grad.h"
#include "engine/ops/cases.h"
#include "engine/ops/reduction.h"
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

TEST(Gate, ItsChoiceOverwrittenInPlaceIsAnError) {
  Tensor logits = random_tensor({2, 3}, 1);
  logits.set_requires_grad();
  for (const bool drawn : {false, true}) {
    GateDraw draw;
    if (drawn) draw.temperature = 2.0;
    Choice choice = gate(logits, 2, GateOrder::kTopKSoftmax, draw);
    const Tensor loss = sum(choice.weights);
    choice.indices.data<std::int64_t>()[0] = 0;
    expect_error([&] { grad(loss, std::vector<Tensor>{logits}); },
                 "[gate] its input 1 of shape [2, 2] was overwritten in place");
  }
}

/// A finite difference must not change the choice: `switchyard gradcheck` called right derivatives
/// wrong where a sample's logits nearly tied.
TEST(Gate, SamplesForDerivativesHaveNoNearTie) {
  int gates = 0;
  for (const OpCase& op : op_cases()) {
    if (!op.name.starts_with("gate")) continue;
    ++gates;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      CaseSource source{Generator(seed)};
      const Tensor logits = op.sample(3, source).inputs[0];
      std::vector<double> row = logits.to_doubles();
      const auto experts = static_cast<std::size_t>(logits.size(1));
      for (std::size_t begin = 0; begin < row.size(); begin += experts) {
        std::sort(row.begin() + static_cast<std::ptrdiff_t>(begin),
                  row.begin() + static_cast<std::ptrdiff_t>(begin + experts));
        for (std::size_t e = begin + 1; e < begin + experts; ++e) {
          EXPECT_GT(row[e] - row[e - 1], 0.05) << op.name << ", seed " << seed;
        }
      }
    }
  }
  EXPECT_GT(gates, 0);
}

}  // namespace
}  // namespace switchyard::test

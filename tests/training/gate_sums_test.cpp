#include "training/gate_sums.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/check.h"

namespace switchyard {
namespace {

/// Three experts, k = 2, two images.
GateOutput sparse_gate() {
  GateOutput gate;
  gate.probabilities = Tensor::from({2, 3}, std::vector<double>{0.75, 0.25, 0.0, 0.0, 0.5, 0.5});
  gate.indices = Tensor::from({2, 2}, std::vector<std::int64_t>{0, 1, 2, 1});
  return gate;
}

TEST(GateSums, AddsUpBatchesOfASparseGate) {
  GateSums sums;
  for (int i = 0; i < 3; ++i) sums.add(sparse_gate());
  EXPECT_EQ(sums.rows, 6);
  EXPECT_EQ(sums.probability, (std::vector{2.25, 2.25, 1.5}));
  EXPECT_EQ(sums.assignments, (std::vector<std::int64_t>{3, 6, 3}));
  EXPECT_EQ(sums.mean_probability(), (std::vector{0.375, 0.375, 0.25}));
  EXPECT_EQ(sums.load(), (std::vector{0.25, 0.5, 0.25}));
  const double quarters = -0.75 * std::log(0.75) - 0.25 * std::log(0.25);
  EXPECT_NEAR(sums.mean_entropy(), 0.5 * (quarters + std::log(2.0)), 1e-15);
}

TEST(GateSums, CountsTheFirstChoiceOfASoftGate) {
  GateOutput gate;
  gate.probabilities = Tensor::from({3, 2}, std::vector<double>{0.25, 0.75, 0.75, 0.25, 0.0, 1.0});
  GateSums sums;
  sums.add(gate);
  EXPECT_EQ(sums.assignments, (std::vector<std::int64_t>{1, 2}));
}

TEST(GateSums, RejectsWhatDoesNotFit) {
  GateSums sums;
  EXPECT_THROW(sums.add(GateOutput{}), Error);
  sums.add(sparse_gate());
  GateOutput wider = sparse_gate();
  wider.probabilities = Tensor::from({1, 4}, std::vector<double>(4, 0.25));
  EXPECT_THROW(sums.add(wider), Error);
}

}  // namespace
}  // namespace switchyard

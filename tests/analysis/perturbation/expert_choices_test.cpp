#include "analysis/perturbation/expert_choices.h"

#include <gtest/gtest.h>

#include "engine/core/check.h"

namespace switchyard {
namespace {

GateOutput gate_of(std::initializer_list<std::int64_t> indices, std::int64_t k) {
  GateOutput gate;
  const auto rows = static_cast<std::int64_t>(indices.size()) / k;
  gate.probabilities = Tensor::zeros({rows, 4}, DType::kFloat32);
  gate.indices = Tensor::from({rows, k}, std::vector<std::int64_t>(indices));
  return gate;
}

TEST(ExpertChoices, AreSetsOfExperts) {
  const ExpertChoices before = expert_choices(gate_of({2, 0, 1, 3, 3, 1}, 2));
  EXPECT_EQ(before.rows(), 3);
  EXPECT_EQ(before.experts, (std::vector<std::int64_t>{0, 2, 1, 3, 1, 3}));
  EXPECT_EQ(changed_rows(before, before), 0);
  // The first row has the same experts in another order, the second another one, the third too.
  EXPECT_EQ(changed_rows(before, expert_choices(gate_of({0, 2, 1, 2, 0, 1}, 2))), 2);
}

TEST(ExpertChoices, AreTheLikeliestWhereAllAnswer) {
  GateOutput soft;
  soft.probabilities = Tensor::from({3, 3}, std::vector{0.2, 0.5, 0.3,  //
                                                        0.4, 0.4, 0.2,  //
                                                        0.1, 0.2, 0.7});
  const ExpertChoices before = expert_choices(soft);
  EXPECT_EQ(before.experts, (std::vector<std::int64_t>{1, 0, 2}));      // the first of equal ones
  soft.probabilities = Tensor::from({3, 3}, std::vector{0.3, 0.4, 0.3,  //
                                                        0.3, 0.5, 0.2,  //
                                                        0.0, 0.0, 1.0});
  EXPECT_EQ(changed_rows(before, expert_choices(soft)), 1);
}

TEST(ExpertChoices, AreNoneWithoutAGate) {
  const ExpertChoices none = expert_choices({});
  EXPECT_EQ(none.rows(), 0);
  EXPECT_EQ(changed_rows(none, none), 0);
  EXPECT_THROW(changed_rows(none, expert_choices(gate_of({1}, 1))), Error);
}

}  // namespace
}  // namespace switchyard

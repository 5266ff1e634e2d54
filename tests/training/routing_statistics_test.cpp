#include "training/routing_statistics.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "engine/core/check.h"

namespace switchyard {
namespace {

Tensor labels_of(std::vector<std::int64_t> labels) {
  return Tensor::from({static_cast<std::int64_t>(labels.size())}, labels);
}

Tensor matrix(std::int64_t rows, std::int64_t columns, std::vector<double> values) {
  return Tensor::from({rows, columns}, values);
}

/// Three experts, k = 2, four images.
GateOutput sparse_gate() {
  GateOutput gate;
  gate.logits = matrix(4, 3,
                       {3.0, 2.0, 1.5,    // margin 0.5
                        -1.0, 4.0, 0.0,   // 1
                        2.0, 2.0, 2.0,    // 0
                        0.0, 5.0, 8.0});  // 5
  gate.probabilities = matrix(4, 3,
                              {0.75, 0.25, 0.0,  //
                               0.0, 1.0, 0.0,    //
                               0.5, 0.5, 0.0,    //
                               0.0, 0.25, 0.75});
  gate.indices = Tensor::from({4, 2}, std::vector<std::int64_t>{0, 1, 1, 2, 0, 1, 2, 1});
  return gate;
}

TEST(RoutingStatistics, CountsASparseGate) {
  RoutingStatistics statistics(2, 3);
  statistics.add(sparse_gate(), labels_of({0, 1, 0, 1}));
  EXPECT_EQ(statistics.sums().rows, 4);
  EXPECT_EQ(statistics.sums().mean_probability(), (std::vector{0.3125, 0.5, 0.1875}));
  EXPECT_EQ(statistics.sums().load(), (std::vector{0.25, 0.5, 0.25}));
  EXPECT_EQ(statistics.class_by_expert(),
            (std::vector<std::vector<double>>{{0.625, 0.375, 0.0}, {0.0, 0.625, 0.375}}));
  const double quarters = -0.75 * std::log(0.75) - 0.25 * std::log(0.25);
  EXPECT_NEAR(statistics.sums().mean_entropy(), (2.0 * quarters + std::log(2.0)) / 4.0, 1e-15);
}

TEST(RoutingStatistics, MeasuresTheGapBehindTheLastChoice) {
  RoutingStatistics statistics(2, 3);
  statistics.add(sparse_gate(), labels_of({0, 1, 0, 1}));
  ASSERT_TRUE(statistics.margin().has_value());
  EXPECT_EQ(statistics.margin()->minimum, 0.0);
  EXPECT_EQ(statistics.margin()->median, 0.75);  // of 0, 0.5, 1, 5
}

TEST(RoutingStatistics, AddsUpBatches) {
  RoutingStatistics once(2, 3);
  once.add(sparse_gate(), labels_of({0, 1, 0, 1}));
  RoutingStatistics twice(2, 3);
  for (int i = 0; i < 2; ++i) twice.add(sparse_gate(), labels_of({0, 1, 0, 1}));
  EXPECT_EQ(twice.sums().rows, 8);
  EXPECT_EQ(twice.sums().load(), once.sums().load());
  EXPECT_EQ(to_json(twice)["class_by_expert"], to_json(once)["class_by_expert"]);
  EXPECT_EQ(twice.margin()->median, once.margin()->median);
}

TEST(RoutingStatistics, CountsTheFirstChoiceOfASoftGate) {
  GateOutput gate;
  gate.logits = matrix(3, 2, {0.0, 1.0, 1.0, 0.0, 0.0, 3.0});
  gate.probabilities = matrix(3, 2, {0.25, 0.75, 0.75, 0.25, 0.0, 1.0});
  RoutingStatistics statistics(1, 2);
  statistics.add(gate, labels_of({0, 0, 0}));
  EXPECT_EQ(statistics.sums().load()[1], 2.0 / 3.0);
  EXPECT_FALSE(statistics.margin().has_value());
}

TEST(RoutingStatistics, HasNoMarginWhereEveryExpertIsChosen) {
  GateOutput gate;
  gate.logits = matrix(1, 2, {1.0, 0.0});
  gate.probabilities = matrix(1, 2, {0.5, 0.5});
  gate.indices = Tensor::from({1, 2}, std::vector<std::int64_t>{0, 1});
  RoutingStatistics statistics(1, 2);
  statistics.add(gate, labels_of({0}));
  EXPECT_FALSE(statistics.margin().has_value());
}

TEST(RoutingStatistics, HasNoRowForAClassWithoutImages) {
  RoutingStatistics statistics(3, 3);
  statistics.add(sparse_gate(), labels_of({0, 1, 0, 1}));
  EXPECT_TRUE(std::isnan(statistics.class_by_expert()[2][0]));
}

/// Two images of two patches each.
TEST(RoutingStatistics, SeveralRowsMayBelongToOneLabel) {
  RoutingStatistics patches(2, 3), images(2, 3);
  patches.add(sparse_gate(), labels_of({0, 1}));
  images.add(sparse_gate(), labels_of({0, 0, 1, 1}));
  EXPECT_EQ(patches.class_by_expert(), images.class_by_expert());
  EXPECT_EQ(patches.sums().rows, 4);
}

TEST(RoutingStatistics, RejectsWhatDoesNotFit) {
  RoutingStatistics statistics(2, 3);
  EXPECT_THROW(statistics.add(GateOutput{}, labels_of({0})), Error);
  EXPECT_THROW(statistics.add(sparse_gate(), labels_of({0, 1, 0})), Error);
  EXPECT_THROW(statistics.add(sparse_gate(), labels_of({0, 1, 2, 0})), Error);
  EXPECT_THROW(statistics.add(sparse_gate(), labels_of({0, -1, 1, 0})), Error);
  RoutingStatistics four(2, 4);
  EXPECT_THROW(four.add(sparse_gate(), labels_of({0, 1, 0, 1})), Error);
  EXPECT_THROW(RoutingStatistics(0, 3), Error);
  EXPECT_THROW(RoutingStatistics(3, -1), Error);
}

}  // namespace
}  // namespace switchyard

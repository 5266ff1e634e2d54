#include "analysis/curvature/product_cost.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <utility>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/curvature_kind.h"
#include "engine/core/check.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

constexpr TimingOptions kOnce{
    .warm_up = 1, .min_repeats = 1, .max_repeats = 1, .target_seconds = 0.0};

std::map<std::string, ProductCost> costs_of(SmallProblem& problem, const CostOptions& options) {
  std::map<std::string, ProductCost> by_name;
  for (const ProductCost& cost : product_costs(*problem.model, problem.batches(3), options)) {
    by_name[cost.name] = cost;
  }
  return by_name;
}

TEST(ProductCost, TimesEveryWayToMultiply) {
  SmallProblem problem("sparse_moe", 5, DType::kFloat32);
  const auto costs = costs_of(problem, {.timing = kOnce, .block = 2});
  for (const std::string name :
       {"hessian_kept", "hessian_rebuilt", "hessian_kept_block", "hessian_rebuilt_block",
        "hessian_head_block_kept", "gauss_newton_kept", "empirical_fisher_kept"}) {
    ASSERT_TRUE(costs.contains(name)) << name;
    EXPECT_GT(costs.at(name).gradients_per_vector(), 0.0) << name;
  }
  EXPECT_EQ(costs.size(), 7U);
  EXPECT_EQ(costs.at("hessian_kept_block").vectors, 2U);
  EXPECT_TRUE(costs.at("hessian_kept").all_kept);
  EXPECT_GT(costs.at("hessian_kept").graph_bytes, costs.at("hessian_head_block_kept").graph_bytes);
  EXPECT_EQ(costs.at("hessian_rebuilt").graph_bytes, 0U);
  EXPECT_FALSE(costs.at("hessian_rebuilt").all_kept);
  // The features are computed once: what is left is a small part even of so small a model.
  EXPECT_LT(costs.at("hessian_head_block_kept").gradients_per_vector(),
            costs.at("hessian_kept").gradients_per_vector());
}

TEST(ProductCost, SaysWhereGraphsFoundNoRoom) {
  SmallProblem problem("dense", 3, DType::kFloat32);
  const auto costs =
      costs_of(problem, {.timing = kOnce, .block = 0, .graph_memory_bytes = std::size_t{1}});
  EXPECT_FALSE(costs.at("hessian_kept").all_kept);
  EXPECT_EQ(costs.at("hessian_kept").graph_bytes, 0U);
  EXPECT_FALSE(costs.contains("hessian_kept_block"));
}

TEST(ProductCost, GradientsPerVectorAreOfMedians) {
  ProductCost cost;
  cost.vectors = 4;
  cost.gradient = {{1.0, 2.0, 30.0}};
  cost.product = {{16.0, 8.0, 400.0}};
  EXPECT_DOUBLE_EQ(cost.gradients_per_vector(), 2.0);
}

/// Every temporary tensor of a product is gone when it is over, whether its graph stays or not, so
/// that 500 products need what one needs.
TEST(ProductCost, MemoryIsFlatOver500Products) {
  SmallProblem problem("dense", 2, DType::kFloat32);
  const std::string head = "head";
  const ParameterBlock block =
      ParameterBlock(problem.model->parameters()).matching(std::span(&head, 1));
  constexpr std::array<std::int64_t, 3> kCounts = {1, 100, 500};
  for (const auto& [kind, limit] : {std::pair(CurvatureKind::kHessian, std::size_t{0}),
                                    std::pair(CurvatureKind::kHessian, std::size_t{1} << 30),
                                    std::pair(CurvatureKind::kGaussNewton, std::size_t{1} << 30)}) {
    const Operator a = block_curvature(kind, *problem.model, problem.batches(2), block,
                                       std::make_shared<GraphMemory>(limit));
    const std::vector<MemoryPoint> points = memory_over_products(*a, kCounts);
    ASSERT_EQ(points.size(), kCounts.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      EXPECT_EQ(points[i].products, kCounts[i]);
      EXPECT_EQ(points[i].live_bytes, points[0].live_bytes) << name(kind) << ' ' << limit;
      // Thread stacks and the allocator's own books may still grow between 1 and 100.
      EXPECT_LE(points[i].resident_bytes, points[0].resident_bytes + (std::int64_t{8} << 20));
    }
  }
  constexpr std::array<std::int64_t, 2> kWrong = {3, 3};
  LossHessian whole = cross_entropy_hessian(*problem.model, problem.batches(1));
  EXPECT_THROW(memory_over_products(whole, kWrong), Error);
}

}  // namespace
}  // namespace switchyard

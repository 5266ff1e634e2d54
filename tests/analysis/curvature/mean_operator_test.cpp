#include "analysis/curvature/mean_operator.h"

#include <gtest/gtest.h>

#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/vectors.h"
#include "engine/core/memory.h"
#include "tests/analysis/small_problem.h"

namespace switchyard {
namespace {

class ManyProducts : public testing::TestWithParam<std::string> {};

TEST_P(ManyProducts, LeaveMemoryAsItWas) {
  // Both with kept graphs and with graphs that are built for every product.
  SmallProblem problem("sparse_moe", 4);
  const ParameterBlock head =
      ParameterBlock(problem.model->parameters()).matching(std::vector<std::string>{"head"});
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1'000'000'000}}) {
    const auto memory = std::make_shared<GraphMemory>(limit);
    const Operator a = block_curvature(parse_curvature_kind(GetParam()), *problem.model,
                                       problem.batches(2), head, memory);
    Generator random(1);
    const ParameterVector v = random_normal_like(a->like(), random);
    const auto multiply = [&](int products) {
      for (int i = 0; i < products; ++i) a->apply(v);
      return memory_stats(Device::kCpu);
    };
    const MemoryStats first = multiply(3);
    const MemoryStats later = multiply(500);
    EXPECT_EQ(later.live, first.live);
    EXPECT_EQ(later.peak, first.peak);
    EXPECT_EQ(later.cached, first.cached);
    EXPECT_EQ(memory->kept() > 0, limit > 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ManyProducts, testing::ValuesIn(curvature_kind_names()),
                         [](const auto& kind) { return kind.param; });

TEST(MeanOperator, BuildsAGraphOnceForAWholeBlock) {
  int built = 0;
  const std::vector<Tensor> like = {Tensor::zeros({3}, DType::kFloat64)};
  const auto build = [&]() -> MeanOperator::Product {
    ++built;
    return [graph = zeros_like(like)](std::span<const Tensor> v) { return copy_of(v); };
  };
  MeanOperator a(like, {{build, 0.25}, {build, 0.75}}, std::make_shared<GraphMemory>(0));
  const std::vector<ParameterVector> block(8, {Tensor::full({3}, 2.0, DType::kFloat64)});
  const Products products = a.apply_block(block);
  EXPECT_EQ(built, 2);
  EXPECT_EQ(products.vectors[7][0].to_doubles(), (std::vector{2.0, 2.0, 2.0}));
  EXPECT_EQ(products.forms[7], (std::vector{12.0, 12.0}));
  for (const ParameterVector& v : block) a.apply(v);
  EXPECT_EQ(built, 2 + 8 * 2);
}

}  // namespace
}  // namespace switchyard

#include "analysis/curvature/parameter_block.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/curvature/vectors.h"
#include "tests/analysis/small_problem.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

class ParameterBlockTest : public testing::Test {
 protected:
  ParameterBlock matching(std::vector<std::string> globs) const { return all.matching(globs); }

  SmallProblem problem{"sparse_moe", 2};
  ParameterBlock all{problem.model->parameters()};
};

TEST_F(ParameterBlockTest, HoldsEveryPublishedTensor) {
  EXPECT_EQ(all.parts().size(), nn::published(problem.model->parameters()).size());
  EXPECT_EQ(all.dimension(), dimension(nn::tensors_of(problem.model->parameters())));
}

TEST_F(ParameterBlockTest, TakesGlobsAndModules) {
  const ParameterBlock expert = matching({"head.experts.2"});
  ASSERT_EQ(expert.parts().size(), 4u);
  for (const ParameterBlock::Part& part : expert.parts()) {
    EXPECT_TRUE(part.name.starts_with("head.experts.2.")) << part.name;
    EXPECT_EQ(part.entry, 2);
  }
  EXPECT_EQ(matching({"head.experts"}).parts().size(), 20u);
  EXPECT_EQ(matching({"head.experts.?.net.3.weight"}).parts().size(), 5u);
  EXPECT_EQ(matching({"head.gate", "head.experts", "head.gate.*"}).dimension(),
            matching({"head"}).dimension());
  EXPECT_TRUE(matching({"head.gate"}).lies_in("head."));
  EXPECT_FALSE(matching({"*.weight"}).lies_in("head."));
}

TEST_F(ParameterBlockTest, ListsWhatThereIsForAGlobThatMatchesNothing) {
  test::expect_error(
      [&] {
        matching({"head.gate", "head.expert.1"});
      },
      "'head.expert.1' matches no parameter; there are backbone.backbone.conv1");
  test::expect_error([&] { matching({""}); }, "head.experts.4");
}

TEST_F(ParameterBlockTest, IsSplitByModule) {
  EXPECT_TRUE(all.has("head.experts.4"));
  EXPECT_FALSE(all.has("head.experts.5"));
  const std::vector<NamedBlock> blocks =
      split_by_module(matching({"head.experts.*.net.3", "head.gate.w_gate", "*.conv1.weight"}));
  std::vector<std::string> names;
  std::int64_t parameters = 0;
  for (const NamedBlock& named : blocks) {
    names.push_back(named.name);
    parameters += named.block.dimension();
    EXPECT_EQ(named.block.dimension(), matching({named.name}).dimension()) << named.name;
  }
  EXPECT_EQ(names.size(), blocks.size());
  EXPECT_EQ(std::ranges::count(names, "head.experts.4.net.3"), 1);
  EXPECT_EQ(std::ranges::count(names, "head.gate.w_gate"), 1);
  EXPECT_EQ(parameters,
            matching({"head.experts.*.net.3", "head.gate.w_gate", "*.conv1.weight"}).dimension());
}

TEST_F(ParameterBlockTest, EmbedsAndTakesOut) {
  const std::vector<Tensor> whole = nn::tensors_of(problem.model->parameters());
  const ParameterBlock block = matching({"head.experts.1", "backbone.backbone.bn1"});
  Generator random(1);
  const ParameterVector v = random_normal_like(block.part_of(whole), random);
  const ParameterVector wide = block.embed(v, whole);
  EXPECT_DOUBLE_EQ(norm(wide), norm(v));
  const ParameterVector back = block.part_of(wide);
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_EQ(back[i].to_doubles(), v[i].to_doubles());

  const std::vector<std::size_t> touched = block.touched();
  EXPECT_EQ(touched.size(), 6u);
  EXPECT_EQ(block.among_touched().parts().back().parameter, 5u);
}

}  // namespace
}  // namespace switchyard

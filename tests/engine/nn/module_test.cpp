#include "engine/nn/module.h"

#include <gtest/gtest.h>

#include "tests/support/tensors.h"

namespace switchyard {
namespace {

struct Inner : nn::Module {
  Inner() {
    register_parameter("weight", weight, nn::NamedTensor::Layout::kConvWeight);
    register_buffer("running_mean", statistic);
  }
  Tensor weight = test::random_tensor({1, 1, 1, 1}, 1);
  Tensor statistic = test::random_tensor({2}, 2);
};

struct Outer : nn::Module {
  Outer() {
    register_child("layer1.0", first);
    register_child("layer1.1", second);
    register_parameter("bias", bias);
  }
  Inner first;
  Inner second;
  Tensor bias = test::random_tensor({3}, 3);
};

std::vector<std::string> names(const std::vector<nn::NamedTensor>& named) {
  std::vector<std::string> result;
  for (const nn::NamedTensor& entry : named) result.push_back(entry.name);
  return result;
}

TEST(Module, NamesFollowTheTreeOwnTensorsFirst) {
  Outer outer;
  EXPECT_EQ(names(outer.parameters()),
            (std::vector<std::string>{"bias", "layer1.0.weight", "layer1.1.weight"}));
  EXPECT_EQ(names(outer.buffers()),
            (std::vector<std::string>{"layer1.0.running_mean", "layer1.1.running_mean"}));
}

TEST(Module, NamedTensorsPointIntoTheModule) {
  Outer outer;
  EXPECT_EQ(outer.parameters()[1].tensor, &outer.first.weight);
  EXPECT_EQ(outer.parameters()[1].layout, nn::NamedTensor::Layout::kConvWeight);
  EXPECT_EQ(outer.buffers()[1].tensor, &outer.second.statistic);
  const std::vector<Tensor> tensors = nn::tensors_of(outer.parameters());
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_TRUE(tensors[0].shares_storage_with(outer.bias));
}

TEST(Module, ParametersRequireGradientsAndBuffersDoNot) {
  Outer outer;
  for (const nn::NamedTensor& entry : outer.parameters()) {
    EXPECT_TRUE(entry.tensor->requires_grad()) << entry.name;
  }
  for (const nn::NamedTensor& entry : outer.buffers()) {
    EXPECT_FALSE(entry.tensor->requires_grad()) << entry.name;
  }
}

}  // namespace
}  // namespace switchyard

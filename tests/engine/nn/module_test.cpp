#include "engine/nn/module.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
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
  EXPECT_TRUE(test::shares_memory(tensors[0], outer.bias));
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

/// Two stacks, such as the weights and biases of two experts, between other parameters.
struct Stacks : nn::Module {
  Stacks() {
    register_parameter("first", first);
    register_parameter("experts.*.weight", weights, nn::NamedTensor::Layout::kStack);
    register_parameter("experts.*.bias", biases, nn::NamedTensor::Layout::kStack);
    register_parameter("last", last, nn::NamedTensor::Layout::kConvWeight);
  }
  Tensor first = test::random_tensor({1}, 1);
  Tensor weights = test::random_tensor({2, 3, 4}, 2);
  Tensor biases = test::random_tensor({2, 3}, 3);
  Tensor last = test::random_tensor({1, 1, 1, 1}, 4);
};

TEST(Module, StacksArePublishedEntryByEntry) {
  Stacks module;
  const std::vector<nn::PublishedTensor> published = nn::published(module.parameters());
  std::vector<std::string> list;
  for (const nn::PublishedTensor& entry : published) {
    list.push_back(entry.name + " " + entry.tensor.shape().to_string());
    EXPECT_FALSE(entry.tensor.requires_grad()) << entry.name;
    EXPECT_NE(entry.layout, nn::NamedTensor::Layout::kStack) << entry.name;
  }
  EXPECT_EQ(list, (std::vector<std::string>{"first [1]", "experts.0.weight [3, 4]",
                                            "experts.0.bias [3]", "experts.1.weight [3, 4]",
                                            "experts.1.bias [3]", "last [1, 1, 1, 1]"}));
  EXPECT_EQ(published.back().layout, nn::NamedTensor::Layout::kConvWeight);
  test::expect_same_bits(published[4].tensor, module.biases.entry(1));
  EXPECT_TRUE(test::shares_memory(published[4].tensor, module.biases));
}

TEST(Module, ValuesArePublishedUnderTheNamesOfTheirParameters) {
  Stacks module;
  const std::vector<Tensor> gradients = {
      test::random_tensor({1}, 5), test::random_tensor({2, 3, 4}, 6),
      test::random_tensor({2, 3}, 7), test::random_tensor({1, 1, 1, 1}, 8)};
  const auto published = nn::published(module.parameters(), gradients);
  EXPECT_EQ(published[3].name, "experts.1.weight");
  EXPECT_TRUE(test::shares_memory(published[3].tensor, gradients[1]));
  test::expect_same_bits(published[3].tensor, gradients[1].entry(1));
  test::expect_error([&] { nn::published(module.parameters(), std::span(gradients).first(3)); },
                     "[published] 3 tensors for 4 names");
}

}  // namespace
}  // namespace switchyard

#include "models/multiply_adds.h"

#include <gtest/gtest.h>

namespace switchyard {
namespace {

ModelConfig config_of(const std::string& backbone, const std::string& head) {
  ModelConfig config;
  config.backbone.name = backbone;
  config.head.name = head;
  return config;
}

TEST(MultiplyAdds, ThePublishedHeadRoutesAlmostNothing) {
  const MultiplyAdds cost = multiply_adds(config_of("resnet18", "sparse_moe"), 32, 32);
  EXPECT_EQ(cost.routed, 2 * (512 * 64 + 64 * 10));
  // ResNet-18 with the CIFAR stem has 0.56 billion multiply-adds (555,417,600 without its head).
  EXPECT_EQ(cost.dense, 555'417'600.0 + 512 * 8);
  EXPECT_NEAR(cost.routed_share(), 0.00012, 0.000001);
}

TEST(MultiplyAdds, OnlyGatesRoute) {
  EXPECT_EQ(multiply_adds(config_of("resnet18", "dense"), 32, 32).routed, 0.0);
  EXPECT_EQ(multiply_adds(config_of("resnet18", "soft_moe"), 32, 32).routed, 0.0);
  const double two = multiply_adds(config_of("small", "sparse_moe"), 32, 32).routed;
  EXPECT_EQ(multiply_adds(config_of("small", "hard_moe"), 32, 32).routed, two / 2);
}

TEST(MultiplyAdds, APatchLayerCostsWhatTheConvolutionDid) {
  ModelConfig config = config_of("small_moe", "dense");
  const MultiplyAdds patches = multiply_adds(config, 32, 32);
  const MultiplyAdds convolution = multiply_adds(config_of("small", "dense"), 32, 32);
  // 16 patches, 2 experts each; what they replace is a 3x3 and a 1x1 convolution.
  EXPECT_EQ(patches.routed, 16.0 * 2 * 2 * 128 * 256);
  EXPECT_EQ(convolution.dense - patches.dense, 16.0 * (9 * 128 * 128 + 64 * 128) - 16.0 * 128 * 8);
  config.backbone.moe.activation = "swiglu";
  config.backbone.moe.shared_experts = 1;
  const MultiplyAdds more = multiply_adds(config, 32, 32);
  EXPECT_EQ(more.routed, 16.0 * 2 * 3 * 128 * 256);
  EXPECT_EQ(more.dense - patches.dense, 16.0 * 3 * 128 * 256);
}

}  // namespace
}  // namespace switchyard

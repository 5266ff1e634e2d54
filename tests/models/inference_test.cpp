#include "models/inference.h"

#include <gtest/gtest.h>

#include "engine/ops/elementwise.h"
#include "models/backbone.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::random_tensor;

/// A model whose normalisations have statistics and weights of their own.
std::unique_ptr<Classifier> lived_in_model(const std::string& backbone, const std::string& head,
                                           std::int64_t channels = 3) {
  ModelConfig config;
  config.backbone = {.name = backbone, .in_channels = channels};
  config.head.name = head;
  auto model = make_classifier(config, Generator(1));
  Generator random(2);
  for (const nn::NamedTensor& parameter : model->parameters()) {
    Tensor& tensor = *parameter.tensor;
    if (tensor.rank() > 1) continue;
    const Tensor noise = random_tensor(tensor.shape(), random.next(1).offset, DType::kFloat32);
    tensor.copy_from(tensor.detach() + noise * 0.2);
  }
  const Tensor images = random_tensor({8, 16, 16, channels}, 3, DType::kFloat32);
  for (int step = 0; step < 5; ++step) {
    model->forward(images * (1.0 + step), nn::Mode::train(random));
  }
  return model;
}

class InferencePlanHeads : public testing::TestWithParam<const char*> {};

TEST_P(InferencePlanHeads, AgreesWithTheOrdinaryForward) {
  for (const char* backbone : {"small", "resnet18"}) {
    const auto model = lived_in_model(backbone, GetParam());
    InferencePlan plan(*model, 4);
    for (const std::uint64_t seed : {5, 6}) {  // one plan serves many batches
      const Tensor images = random_tensor({4, 32, 32, 3}, seed, DType::kFloat32);
      const Tensor expected = model->forward(images, nn::Mode::evaluation()).logits;
      const Tensor actual = plan.logits(images);
      EXPECT_FALSE(actual.requires_grad());
      test::expect_close(actual, expected, 1e-4);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, InferencePlanHeads,
                         testing::Values("dense", "soft_moe", "sparse_moe", "hard_moe"));

TEST(InferencePlan, TakesGreyImagesOfOtherSizes) {
  const auto model = lived_in_model("small", "dense", 1);
  InferencePlan plan(*model, 1, 28, 28);
  const Tensor images = random_tensor({1, 28, 28, 1}, 5, DType::kFloat32);
  test::expect_close(plan.logits(images), model->forward(images, nn::Mode::evaluation()).logits,
                     1e-4);
}

TEST_P(InferencePlanHeads, KeepsTheWeightsOfItsConstruction) {
  auto model = lived_in_model("small", GetParam());
  InferencePlan plan(*model, 2);
  const Tensor images = random_tensor({2, 32, 32, 3}, 5, DType::kFloat32);
  const Tensor before = plan.logits(images);
  for (const nn::NamedTensor& parameter : model->parameters()) {  // of backbone and head
    parameter.tensor->fill(0.0);
  }
  test::expect_same_bits(plan.logits(images), before);
  model.reset();
  test::expect_same_bits(plan.logits(images), before);
}

TEST(InferencePlan, SaysWhichImagesItIsFor) {
  const auto model = lived_in_model("small", "dense");
  InferencePlan plan(*model, 2);
  test::expect_error(
      [&] {
        plan.logits(random_tensor({3, 32, 32, 3}, 1, DType::kFloat32));
      },
      "[inference] the plan is for float32 images [2, 32, 32, 3], got float32 [3, "
      "32, 32, 3]");
  test::expect_error([&] { plan.logits(random_tensor({2, 32, 32, 3}, 1)); }, "got float64");
  test::expect_error([&] { InferencePlan(*model, 0); }, "at least 1");
  ModelConfig config = model->config();
  const auto wide = make_classifier(config, Generator(1), DType::kFloat64);
  test::expect_error([&] { InferencePlan(*wide, 1); }, "must be float32");
}

}  // namespace
}  // namespace switchyard

#include "models/classifier.h"

#include <gtest/gtest.h>

#include "engine/autograd/grad.h"
#include "engine/nn/optimizer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "models/backbone.h"
#include "models/state.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::random_tensor;

ModelConfig config_of(const std::string& backbone, const std::string& head) {
  ModelConfig config;
  config.backbone.name = backbone;
  config.head.name = head;
  return config;
}

/// One training step on fixed images; returns the loss.
double train_step(Classifier& model, nn::Sgd& sgd, Generator& random) {
  const Tensor images = random_tensor({4, 8, 8, 3}, 1, DType::kFloat32);
  const Tensor labels = Tensor::from<std::int64_t>({4}, {0, 1, 2, 3});
  const ClassifierOutput output = model.forward(images, nn::Mode::train(random));
  Tensor loss = cross_entropy(output.logits, labels);
  if (output.balance_loss) loss = loss + output.balance_loss;
  sgd.step(grad(loss, nn::tensors_of(sgd.parameters())), 0.01);
  return loss.item();
}

TEST(Classifier, TakesColourAndGreyImages) {
  for (const std::int64_t channels : {1, 3}) {
    ModelConfig config = config_of("small", "dense");
    config.backbone.in_channels = channels;
    const auto model = make_classifier(config, Generator(1));
    const std::int64_t size = channels == 1 ? 28 : 32;
    const Tensor images = random_tensor({2, size, size, channels}, 1, DType::kFloat32);
    const Tensor logits = model->forward(images, nn::Mode::evaluation()).logits;
    EXPECT_EQ(logits.shape(), Shape({2, 10}));
  }
}

TEST(Classifier, ResNet18HasFourStagesOfTwoBlocks) {
  const auto model = make_classifier(config_of("resnet18", "dense"), Generator(1));
  EXPECT_EQ(model->backbone().features(), 512);
  EXPECT_EQ(model->backbone().blocks().size(), 8U);
  // 8x8 images leave 1x1 before the pool: three stages halve them.
  const Tensor images = random_tensor({2, 8, 8, 3}, 1, DType::kFloat32);
  const Tensor features = model->backbone().forward(images, nn::Mode::evaluation()).features;
  EXPECT_EQ(features.shape(), Shape({2, 512}));
}

TEST(Classifier, BothDtypesAgree) {
  for (const char* head : {"dense", "soft_moe", "sparse_moe"}) {
    const auto narrow = make_classifier(config_of("small", head), Generator(1), DType::kFloat32);
    const auto wide = make_classifier(config_of("small", head), Generator(1), DType::kFloat64);
    const Tensor images = random_tensor({4, 16, 16, 3}, 1);
    const Tensor a = narrow->forward(images.to(DType::kFloat32), nn::Mode::evaluation()).logits;
    const Tensor b = wide->forward(images, nn::Mode::evaluation()).logits;
    EXPECT_LT(test::relative_error(a, b), 1e-5) << head;
  }
}

TEST(Classifier, TorchvisionsInitialisationLeavesTheFirstConvolution) {
  ModelConfig config = config_of("small", "dense");
  const auto plain = make_classifier(config, Generator(1));
  config.backbone.initialisation = "torchvision";
  const auto published = make_classifier(config, Generator(1));
  test::expect_same_bits(*published->parameters()[0].tensor, *plain->parameters()[0].tensor);
  const std::vector<double> w = published->parameters()[3].tensor->to_doubles();
  double squares = 0.0;
  for (const double value : w) squares += value * value / static_cast<double>(w.size());
  const double fan_out = 9.0 * static_cast<double>(published->parameters()[3].tensor->size(0));
  EXPECT_NEAR(squares * fan_out / 2.0, 1.0, 0.05);
}

TEST(Classifier, TrainingModeUpdatesRunningStatisticsOnly) {
  const auto model = make_classifier(config_of("small", "dense"), Generator(1));
  const TensorMap before = state_dict(*model);
  Generator random(2);
  const Tensor images = random_tensor({4, 16, 16, 3}, 1, DType::kFloat32);
  model->forward(images, nn::Mode::evaluation());
  for (const auto& [name, tensor] : state_dict(*model)) {
    test::expect_same_bits(tensor, before.at(name));
  }
  model->forward(images, nn::Mode::train(random));
  for (const auto& [name, tensor] : state_dict(*model)) {
    const bool statistics = name.find("running_") != std::string::npos ||
                            name.find("num_batches_tracked") != std::string::npos;
    EXPECT_EQ(tensor.to_doubles() != before.at(name).to_doubles(), statistics) << name;
  }
}

TEST(Classifier, TwoRunsFromOneSeedHaveTheSameBits) {
  TensorMap states[2];
  for (TensorMap& state : states) {
    const auto model = make_classifier(config_of("small", "sparse_moe"), Generator(1));
    nn::Sgd sgd(model->parameters(), {});
    Generator random(2);
    for (int step = 0; step < 3; ++step) train_step(*model, sgd, random);
    state = state_dict(*model);
  }
  for (const auto& [name, tensor] : states[0]) test::expect_same_bits(tensor, states[1].at(name));
}

TEST(Classifier, LearnsAndHoldsNoMemoryFromStepToStep) {
  for (const char* head : {"dense", "soft_moe", "sparse_moe"}) {
    const auto model = make_classifier(config_of("small", head), Generator(1));
    nn::Sgd sgd(model->parameters(), {});
    Generator random(2);
    const double first = train_step(*model, sgd, random);
    const std::size_t live = memory_stats(Device::kCpu).live;
    double last = first;
    for (int step = 1; step < 200; ++step) {
      last = train_step(*model, sgd, random);
      ASSERT_EQ(memory_stats(Device::kCpu).live, live) << head << ", step " << step;
    }
    EXPECT_LT(last, 0.5 * first) << head;
  }
}

TEST(Classifier, NamesWhatIsWrongWithImages) {
  const auto model = make_classifier(config_of("small", "dense"), Generator(1));
  const nn::Mode mode = nn::Mode::evaluation();
  test::expect_error(
      [&] {
        model->forward(random_tensor({1, 8, 8, 1}, 1, DType::kFloat32), mode);
      },
      "images must be [N, H, W, 3], got [1, 8, 8, 1]");
  test::expect_error([&] { model->forward(random_tensor({1, 8, 8, 3}, 1), mode); }, "float32");
}

TEST(Classifier, RejectsAnImpossibleConfiguration) {
  ModelConfig config = config_of("small", "sparse_moe");
  config.head.top_k = 9;
  test::expect_error<UsageError>([&] { make_classifier(config, Generator(1)); },
                                 "model.head.top_k");
}

}  // namespace
}  // namespace switchyard

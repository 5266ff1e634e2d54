#include <gtest/gtest.h>

#include "engine/autograd/gradcheck.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"
#include "models/backbone.h"
#include "models/head.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

constexpr std::int64_t kImages = 5;

/// A ResNet of two blocks, one of them strided, and a head: small enough for finite differences.
struct TinyModel {
  explicit TinyModel(const HeadConfig& config) {
    Generator random(7);
    const std::vector<Backbone::Stage> stages = {{1, 3, 1}, {1, 4, 2}};
    backbone = std::make_unique<Backbone>(2, 3, stages, "pytorch", DType::kFloat64, random);
    head = make_head(config, backbone->features(), DType::kFloat64, random);
    parameters = backbone->parameters();
    for (nn::NamedTensor& parameter : head->parameters()) parameters.push_back(parameter);
    // Running statistics away from 0 and 1, so that evaluation mode has something to do.
    backbone->forward(test::random_tensor({kImages, 6, 6, 2}, 8) * 2.0, nn::Mode::train(random));
  }

  /// All parameters in one vector: one direction moves them all.
  Tensor flat() const {
    std::vector<Tensor> parts;
    for (const nn::NamedTensor& parameter : parameters) {
      parts.push_back(reshape(parameter.tensor->detach(), {parameter.tensor->numel()}));
    }
    return concat(parts);
  }

  /// Cross-entropy and balance loss as a function of flat(); dropout and noise are the same at
  /// every call.
  Tensor loss(const Tensor& theta, bool training) const {
    std::int64_t begin = 0;
    for (const nn::NamedTensor& parameter : parameters) {
      Tensor& tensor = *parameter.tensor;
      const std::int64_t end = begin + tensor.numel();
      tensor = reshape(slice_rows(theta, begin, end), tensor.shape());
      begin = end;
    }
    Generator random(21);
    const nn::Mode mode = training ? nn::Mode::train(random) : nn::Mode::evaluation();
    const Tensor images = test::random_tensor({kImages, 6, 6, 2}, 9);
    const Tensor labels = Tensor::from<std::int64_t>({kImages}, {0, 2, 1, 1, 0});
    const ClassifierOutput output = head->forward(backbone->forward(images, mode).features, mode);
    const Tensor loss = cross_entropy(output.logits, labels);
    return output.balance_loss ? loss + output.balance_loss : loss;
  }

  std::unique_ptr<Backbone> backbone;
  std::unique_ptr<Head> head;
  std::vector<nn::NamedTensor> parameters;
};

/// A head by its name, or "full": a sparse head with room for one sample per expert and the other
/// order of softmax and top-k.
HeadConfig head_config(const std::string& name) {
  HeadConfig config;
  config.name = name;
  if (name == "full") {
    config.name = "sparse_moe";
    config.router_order = "softmax_topk";
    config.capacity = 1;
  }
  config.classes = 3;
  config.width = 6;
  config.experts = 4;
  config.expert_width = 5;
  config.balance = 0.05;
  config.router_z = 0.1;
  config.switch_balance = 0.1;
  config.load_estimator = "smooth";
  return config;
}

class WholeModel : public testing::TestWithParam<std::tuple<const char*, bool>> {};

// Computes the first derivative, and the Hessian times a random vector, of the loss with respect to
// all parameters together. The step is short so that no ReLU and no choice of experts flips within
// it: the derivatives are those of the current routing.
TEST_P(WholeModel, GradientAndHessianProductMatchFiniteDifferences) {
  const auto& [name, training] = GetParam();
  const TinyModel model(head_config(name));
  const TensorFunction f = [&, training = training](std::span<const Tensor> x) {
    return model.loss(x[0], training);
  };
  for (const int order : {1, 2}) {
    const GradcheckResult result = gradcheck(f, {model.flat()}, {.order = order, .step = 1e-5});
    EXPECT_LT(result.error, 1e-7) << "order " << order << ", " << result.worst;
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, WholeModel,
                         testing::Combine(testing::Values("dense", "soft_moe", "sparse_moe",
                                                          "hard_moe", "full"),
                                          testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)) +
                                  (std::get<1>(test.param) ? "_train" : "_evaluation");
                         });

}  // namespace
}  // namespace switchyard

// Runs a residual network with each head on the devices besides the CPU: a training step and a
// Hessian-vector product are the CPU's.

#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/node.h"
#include "engine/nn/optimizer.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "models/inference.h"
#include "models/state.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

constexpr std::int64_t kImages = 5;

using Parameter = std::tuple<Device, std::string, DType>;

class DeviceModelTest : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override { SWITCHYARD_NEEDS_DEVICE(device()); }
  Device device() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<2>(GetParam()); }
  double allowed() const { return dtype() == DType::kFloat64 ? 1e-9 : 1e-4; }

  std::unique_ptr<Classifier> model(Device where) const {
    ModelConfig config;
    config.backbone = {.name = "small", .in_channels = 2};
    config.head = {.name = std::get<1>(GetParam()), .classes = 3, .experts = 4, .expert_width = 5};
    config.head.width = 6;
    config.head.balance = 0.05;  // every balance loss that the head has
    config.head.router_z = 0.1;
    config.head.switch_balance = 0.1;
    config.head.load_estimator = "smooth";
    return make_classifier(config, Generator(3), dtype(), where);
  }
  Tensor images(Device where) const {
    return random_tensor({kImages, 8, 8, 2}, 9).to(dtype()).to(where);
  }
  static Tensor labels(Device where) {
    return Tensor::from<std::int64_t>({kImages}, {0, 2, 1, 1, 0}, where);
  }
  static Tensor total(const ClassifierOutput& output, const Tensor& labels) {
    const Tensor fit = cross_entropy(output.logits, labels);
    return output.balance_loss ? fit + output.balance_loss : fit;
  }
  void expect_agreement(const TensorMap& ours, const TensorMap& cpu) const {
    ASSERT_EQ(ours.size(), cpu.size());
    for (const auto& [name, expected] : cpu) {
      SCOPED_TRACE(name);
      expect_close(ours.at(name), expected, allowed());
    }
  }

  /// Loss, gradients and, after a step of SGD, all parameters and buffers. Dropout and noise are
  /// on.
  TensorMap trained(Device where) const {
    const auto m = model(where);
    nn::Sgd optimizer(m->parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
    Generator random(21);
    TensorMap results;
    for (int step = 0; step < 2; ++step) {  // the second one has momentum
      const ClassifierOutput output = m->forward(images(where), nn::Mode::train(random));
      const Tensor loss = total(output, labels(where));
      const std::vector<Tensor> gradients = grad(loss, nn::tensors_of(optimizer.parameters()));
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        EXPECT_EQ(gradients[i].device(), where);
        results["gradient." + optimizer.parameters()[i].name] = gradients[i];
      }
      results["loss"] = loss.detach();
      optimizer.step(gradients, 0.05);
    }
    results.merge(state_dict(*m));
    results.merge(export_tensors(nn::published(optimizer.state())));
    return results;
  }

  TensorMap probed(Device where) const {
    const auto m = model(where);
    std::vector<Tensor> direction;
    std::uint64_t seed = 50;
    for (const nn::NamedTensor& parameter : m->parameters()) {
      direction.push_back(random_tensor(parameter.tensor->shape(), ++seed).to(dtype()).to(where));
    }
    const ClassifierOutput output = m->forward(images(where), nn::Mode::evaluation());
    const HessianOperator hessian(total(output, labels(where)), nn::tensors_of(m->parameters()));
    TensorMap results = {{"logits", output.logits.detach()}};
    std::size_t i = 0;
    for (const Tensor& product : hessian.apply(direction)) {
      EXPECT_EQ(product.device(), where);
      results[m->parameters()[i++].name] = product;
    }
    return results;
  }
};

TEST_P(DeviceModelTest, TrainingStepsAreTheCpus) {
  expect_agreement(trained(device()), trained(Device::kCpu));
}

TEST_P(DeviceModelTest, HessianVectorProductIsTheCpus) {
  expect_agreement(probed(device()), probed(Device::kCpu));
}

TEST_P(DeviceModelTest, InferenceIsThePlainForwardPass) {
  const auto m = model(device());
  if (dtype() != DType::kFloat32) {
    EXPECT_THROW(InferencePlan(*m, kImages, 8, 8), Error);
    return;
  }
  InferencePlan plan(*m, kImages, 8, 8);
  const NoGrad no_grad;
  const Tensor x = images(device());
  const Tensor expected = m->forward(x, nn::Mode::evaluation()).logits.to(Device::kCpu);
  expect_same_bits(plan.logits(x).to(Device::kCpu), expected);
  for (const nn::NamedTensor& parameter : m->parameters()) parameter.tensor->fill(0.0);
  expect_same_bits(plan.logits(x).to(Device::kCpu), expected);  // it owns its weights
  EXPECT_THROW(plan.logits(x.to(Device::kCpu)), Error);
}

INSTANTIATE_TEST_SUITE_P(Heads, DeviceModelTest,
                         testing::Combine(other_devices(),
                                          testing::Values("dense", "soft_moe", "sparse_moe",
                                                          "hard_moe"),
                                          testing::Values(DType::kFloat32, DType::kFloat64)),
                         [](const auto& param) {
                           return test_name(std::get<0>(param.param)) + "_" +
                                  std::get<1>(param.param) + "_" +
                                  std::string(name(std::get<2>(param.param)));
                         });

}  // namespace
}  // namespace switchyard::test

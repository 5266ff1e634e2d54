#include "models/inference.h"

#include <optional>

#include "engine/autograd/node.h"
#include "engine/core/on_device.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape.h"
#include "kernels/api/inference_network.h"
#include "models/backbone.h"
#include "models/head.h"

namespace switchyard {

using kernels::InferenceNetwork;

namespace {

/// Appends a convolution with its batch norm folded in: w' = scale·w per filter, bias = shift.
InferenceNetwork::Id append(InferenceNetwork& network, InferenceNetwork::Id x,
                            const ConvNorm& layer, bool relu,
                            std::optional<InferenceNetwork::Id> residual) {
  const Tensor& w = layer.conv.weight();  // [O, KH, KW, I]
  const nn::BatchNorm2d::Affine affine = layer.norm.evaluation_affine();
  const Tensor folded = w * reshape(affine.scale, {w.size(0), 1, 1, 1});
  return network.add_convolution(x, {.filters = w.size(0),
                                     .kernel_height = w.size(1),
                                     .kernel_width = w.size(2),
                                     .stride = layer.conv.params().stride,
                                     .padding = layer.conv.params().padding,
                                     .weights = folded.data<float>(),
                                     .bias = affine.shift.data<float>(),
                                     .relu = relu,
                                     .residual = residual});
}

InferenceNetwork prepare(const Backbone& backbone, const Shape& images) {
  NoGrad guard;
  InferenceNetwork network(cpu_executor(), images[0], images[1], images[2], images[3]);
  InferenceNetwork::Id x = append(network, network.image(), backbone.stem(), true, {});
  for (const auto& block : backbone.blocks()) {
    const InferenceNetwork::Id hidden = append(network, x, block->first(), true, {});
    const InferenceNetwork::Id shortcut =
        block->downsample() ? append(network, x, *block->downsample(), false, {}) : x;
    x = append(network, hidden, block->second(), true, shortcut);
  }
  network.finish_with_global_average_pool(x);
  return network;
}

std::unique_ptr<Head> copy_of_head(Classifier& model) {
  Generator random(0);  // what it draws is overwritten
  std::unique_ptr<Head> head =
      make_head(model.config().head, model.backbone().features(), model.dtype(), random);
  head->copy_state_from(model.head());
  return head;
}

}  // namespace

struct InferencePlan::Implementation {
  Implementation(Classifier& classifier, const Shape& image_shape)
      : images(image_shape),
        features({image_shape[0], classifier.backbone().features()}),
        device(classifier.device()) {
    if (device == Device::kCpu && classifier.dtype() == DType::kFloat32 &&
        !classifier.backbone().moe_block()) {
      network = prepare(classifier.backbone(), images);
      head = copy_of_head(classifier);
    } else {
      model = make_classifier(classifier.config(), Generator(0), classifier.dtype(), device);
      model->copy_state_from(classifier);
    }
  }

  Shape images;
  Shape features;
  Device device;
  std::optional<InferenceNetwork> network;  // on the CPU, with the head behind it
  std::unique_ptr<Head> head;
  std::unique_ptr<Classifier> model;  // what has no such network
};

InferencePlan::InferencePlan(Classifier& model, std::int64_t batch, std::int64_t height,
                             std::int64_t width) {
  check(model.dtype() != DType::kFloat64,
        "[inference] the model must be float32 or bfloat16, got {}", name(model.dtype()));
  check(batch >= 1 && height >= 1 && width >= 1,
        "[inference] batch, height and width must be at least 1, got {}, {} and {}", batch, height,
        width);
  implementation_ = std::make_unique<Implementation>(
      model, Shape({batch, height, width, model.backbone().in_channels()}));
}

InferencePlan::~InferencePlan() = default;
InferencePlan::InferencePlan(InferencePlan&&) noexcept = default;
InferencePlan& InferencePlan::operator=(InferencePlan&&) noexcept = default;

Tensor InferencePlan::logits(const Tensor& images) {
  Implementation& plan = *implementation_;
  check(images.dtype() == DType::kFloat32 && images.shape() == plan.images,
        "[inference] the plan is for float32 images {}, got {} {}", plan.images,
        name(images.dtype()), images.shape());
  check(images.device() == plan.device, "[inference] the model is on {}, images are on {}",
        name(plan.device), name(images.device()));
  NoGrad guard;
  if (plan.model) {
    const Tensor inputs = images.to(plan.model->dtype());
    return plan.model->forward(inputs, nn::Mode::evaluation()).logits;
  }
  Tensor features = Tensor::empty(plan.features, DType::kFloat32);
  plan.network->run(images.data<float>(), features.data<float>());
  return plan.head->forward(features, nn::Mode::evaluation()).logits;
}

}  // namespace switchyard

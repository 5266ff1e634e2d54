#include "tests/analysis/small_problem.h"

#include "analysis/curvature/classifier_loss.h"
#include "engine/core/random.h"
#include "engine/ops/elementwise.h"

namespace switchyard {
namespace {

constexpr std::int64_t kSide = 8;  // pixels; the backbone takes any size
constexpr std::int64_t kClasses = 50;

ImageDataset random_dataset(std::int64_t images) {
  ImageDataset data;
  data.name = "random";
  data.classes = kClasses;
  data.mean = {0.5, 0.5, 0.5};
  data.deviation = {0.25, 0.25, 0.25};
  data.images = Tensor::empty({images, kSide, kSide, 3}, DType::kUInt8);
  data.labels = Tensor::empty({images}, DType::kInt64);
  Generator random(11);
  const Shape shape = data.images.shape();
  const std::vector<double> uniform =
      random_uniform(shape, DType::kFloat64, random.next(shape.numel())).to_doubles();
  for (std::size_t i = 0; i < uniform.size(); ++i) {
    data.images.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(256.0 * uniform[i]);
  }
  for (std::int64_t i = 0; i < images; ++i) data.labels.data<std::int64_t>()[i] = i % kClasses;
  return data;
}

}  // namespace

SmallProblem::SmallProblem(const std::string& head, std::int64_t images, DType dtype)
    : dataset(random_dataset(images)) {
  ModelConfig config;
  config.backbone.name = "small";
  config.head.name = head;
  config.head.classes = kClasses;
  config.head.experts = 5;
  config.head.expert_width = 16;
  config.head.width = 32;
  model = make_classifier(config, Generator(12), dtype);
  Generator random(13);
  for (const nn::NamedTensor& buffer : model->buffers()) {
    if (!is_floating(buffer.tensor->dtype())) continue;
    const Shape& shape = buffer.tensor->shape();
    const bool is_mean = buffer.name.ends_with("running_mean");
    const Tensor uniform = random_uniform(shape, dtype, random.next(shape.numel()));
    // Means around zero: with large ones no unit behind a norm would be active.
    buffer.tensor->copy_from((is_mean ? 0.2 * (uniform - 0.5) : uniform + 0.5).detach());
  }
}

std::vector<Batch> SmallProblem::batches(std::int64_t size) const {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < dataset.count(); ++i) indices.push_back(i);
  return subset_batches(dataset, indices, dataset.count(), size, model->dtype(), Generator(1));
}

}  // namespace switchyard

#include "bench/problem.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/ops/softmax.h"

namespace switchyard::bench {
namespace {

/// `count` images of normal numbers; image i has label i modulo the classes.
Batch random_batch(const ModelConfig& config, std::int64_t count, DType dtype, Device device,
                   Generator& random) {
  constexpr std::int64_t kSide = 32;
  const Shape shape{count, kSide, kSide, config.backbone.in_channels};
  Batch batch{random_normal(shape, dtype, random.next(shape.numel())),
              Tensor::empty({count}, DType::kInt64)};
  for (std::int64_t i = 0; i < count; ++i) {
    batch.labels.data<std::int64_t>()[i] = i % config.head.classes;
  }
  return to_device(batch, device);
}

}  // namespace

Problem::Problem(const BenchOptions& options, DType dtype) {
  config = options.model;
  Generator random(1);
  model = make_classifier(config, random.fork(1), dtype, options.device);
  parameters = nn::tensors_of(model->parameters());
  batch = random_batch(config, options.batch, dtype, options.device, random);
}

std::vector<Batch> Problem::batches(std::int64_t images) const {
  const std::int64_t size = batch.images.size(0);
  Generator random(2);
  std::vector<Batch> result;
  for (std::int64_t begin = 0; begin < images; begin += size) {
    result.push_back(random_batch(config, std::min(size, images - begin), batch.images.dtype(),
                                  batch.images.device(), random));
  }
  return result;
}

std::function<void()> Problem::to_its_end(std::function<void()> work) const {
  return [work = std::move(work), device = model->device()] {
    work();
    synchronise(device);
  };
}

Tensor Problem::loss() const {
  return cross_entropy(model->forward(batch.images, nn::Mode::evaluation()).logits, batch.labels);
}

void require_agreement(const std::string& what, const std::vector<Tensor>& a,
                       const std::vector<Tensor>& b, double tolerance) {
  std::vector<Tensor> difference = copy_of(a);
  axpy(-1.0, b, difference);
  const double error = norm(difference) / norm(b);
  check(error <= tolerance, "{}: relative error {:.3g}, at most {:.3g} is right", what, error,
        tolerance);
}

nlohmann::json entry(const std::string& name, std::int64_t batch, DType dtype,
                     const Timing& timing) {
  return {
      {"name", name},
      {"batch", batch},
      {"dtype", switchyard::name(dtype)},
      {"repeats", timing.seconds.size()},
      {"seconds",
       {{"median", timing.median()}, {"p20", timing.quantile(0.2)}, {"p80", timing.quantile(0.8)}}},
      {"images_per_second", static_cast<double>(batch) / timing.median()}};
}

}  // namespace switchyard::bench

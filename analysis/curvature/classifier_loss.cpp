#include "analysis/curvature/classifier_loss.h"

#include <algorithm>

#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "models/backbone.h"
#include "models/head.h"

namespace switchyard {

namespace {

/// One term per batch; logits_of(batch) on the model's device returns how to make its logits.
template <class F>
std::vector<LogitsTerm> terms_of(Classifier& model, const std::vector<Batch>& batches,
                                 F logits_of) {
  const std::int64_t images = image_count(batches);
  check(images > 0, "[classifier loss] the subset has no images");
  std::vector<LogitsTerm> terms;
  for (const Batch& batch : batches) {
    const Batch there = to_device(batch, model.device());
    const auto share = static_cast<double>(batch.images.size(0)) / static_cast<double>(images);
    terms.push_back({logits_of(there), there.labels, share});
  }
  return terms;
}

}  // namespace

std::int64_t image_count(const std::vector<Batch>& batches) {
  std::int64_t images = 0;
  for (const Batch& batch : batches) images += batch.images.size(0);
  return images;
}

std::vector<LogitsTerm> logits_terms(Classifier& model, const std::vector<Batch>& batches) {
  return terms_of(model, batches, [&model](const Batch& batch) {
    return [&model, images = batch.images] {
      return model.forward(images, nn::Mode::evaluation()).logits;
    };
  });
}

std::vector<LogitsTerm> head_terms(Classifier& model, const std::vector<Batch>& batches) {
  const NoGrad no_grad;
  return terms_of(model, batches, [&model](const Batch& batch) {
    const Tensor features = model.backbone().forward(batch.images, nn::Mode::evaluation()).features;
    return [&model, features] {
      return model.head().forward(features, nn::Mode::evaluation()).logits;
    };
  });
}

std::vector<LossTerm> cross_entropy_terms(Classifier& model, const std::vector<Batch>& batches) {
  return cross_entropy_of(logits_terms(model, batches));
}

LossHessian cross_entropy_hessian(Classifier& model, const std::vector<Batch>& batches,
                                  std::shared_ptr<GraphMemory> memory) {
  return {nn::tensors_of(model.parameters()), cross_entropy_terms(model, batches),
          std::move(memory)};
}

std::vector<Batch> subset_batches(const ImageDataset& data, std::vector<std::int64_t> indices,
                                  std::int64_t count, std::int64_t batch_size, DType dtype,
                                  Generator random) {
  check<UsageError>(count >= 1 && batch_size >= 1,
                    "[subset] needs positive numbers of images and batch size, got {} and {}",
                    count, batch_size);
  const auto total = static_cast<std::int64_t>(indices.size());
  const std::int64_t taken = std::min(count, total);
  // The first steps of a Fisher-Yates shuffle.
  const std::vector<double> uniform =
      random_uniform({taken}, DType::kFloat64, random.next(taken)).to_doubles();
  for (std::int64_t i = 0; i < taken && taken < total; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const auto offset = static_cast<std::int64_t>(uniform[at] * static_cast<double>(total - i));
    std::swap(indices[at], indices[static_cast<std::size_t>(i + offset)]);
  }
  indices.resize(static_cast<std::size_t>(taken));
  std::sort(indices.begin(), indices.end());

  std::vector<Batch> batches;
  const std::span<const std::int64_t> all = indices;
  for (std::int64_t begin = 0; begin < taken; begin += batch_size) {
    const auto size = static_cast<std::size_t>(std::min(batch_size, taken - begin));
    batches.push_back(whole_batch(data, all.subspan(static_cast<std::size_t>(begin), size), dtype));
  }
  return batches;
}

}  // namespace switchyard

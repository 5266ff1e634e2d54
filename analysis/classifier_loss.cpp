#include "analysis/classifier_loss.h"

#include <algorithm>

#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/ops/softmax.h"

namespace switchyard {

std::vector<LossTerm> cross_entropy_terms(Classifier& model, const std::vector<Batch>& batches) {
  std::int64_t images = 0;
  for (const Batch& batch : batches) images += batch.images.size(0);
  check(images > 0, "[classifier loss] the subset has no images");
  std::vector<LossTerm> terms;
  for (const Batch& batch : batches) {
    const auto loss = [&model, batch = to_device(batch, model.device())] {
      return cross_entropy(model.forward(batch.images, nn::Mode::evaluation()).logits,
                           batch.labels);
    };
    const auto share = static_cast<double>(batch.images.size(0)) / static_cast<double>(images);
    terms.push_back({loss, share});
  }
  return terms;
}

LossHessian cross_entropy_hessian(Classifier& model, const std::vector<Batch>& batches,
                                  LossHessianOptions options) {
  return {nn::tensors_of(model.parameters()), cross_entropy_terms(model, batches), options};
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

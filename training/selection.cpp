#include "training/selection.h"

#include <numeric>

#include "engine/core/check.h"
#include "models/backbone.h"

namespace switchyard {
namespace {

void check_fits(const TrainConfig& config, const ImageDataset& data) {
  check<UsageError>(config.data.set.empty() || config.data.set == data.name,
                    "data.set: the configuration is for {}, the data set is {} (--data chooses)",
                    config.data.set, data.name);
  const std::int64_t channels = data.images.size(3);
  check<UsageError>(config.model.backbone.in_channels == channels,
                    "model.backbone.in_channels: {} has {} channels per image, got {}", data.name,
                    channels, config.model.backbone.in_channels);
  check<UsageError>(config.model.head.classes == data.classes,
                    "model.head.classes: {} has {} classes, got {}", data.name, data.classes,
                    config.model.head.classes);
}

/// `limit` of the indices at random, still ascending; all of them where the limit is 0.
std::vector<std::int64_t> limited(const std::vector<std::int64_t>& indices, std::int64_t limit,
                                  std::uint64_t seed) {
  const auto count = static_cast<std::int64_t>(indices.size());
  if (limit == 0 || limit >= count) return indices;
  std::vector<std::int64_t> chosen;
  for (const std::int64_t i : split_train_validation(count, limit, seed).validation) {
    chosen.push_back(indices[static_cast<std::size_t>(i)]);
  }
  return chosen;
}

/// The epoch's last batch may be one image, and its last map one pixel: batch norm needs two
/// values.
void check_last_batch(const TrainConfig& config, const ImageDataset& data, std::int64_t images) {
  const std::int64_t last = (images - 1) % config.batch_size + 1;
  const std::int64_t height = data.images.size(1);
  const std::int64_t width = data.images.size(2);
  check<UsageError>(last > 1 || smallest_map(config.model.backbone, height, width) > 1,
                    "batch_size: the last of {} images is a batch of its own, and of {} x {} "
                    "pixels {} keeps one: batch norm needs two values per channel",
                    images, height, width, config.model.backbone.name);
}

}  // namespace

Selection select_images(const TrainConfig& config, const DatasetPair& data) {
  check_fits(config, data.train);
  check<UsageError>(config.data.validation < data.train.count(),
                    "data.validation: {} has {} training images, cannot hold out {}",
                    data.train.name, data.train.count(), config.data.validation);
  Split split = split_train_validation(data.train.count(), config.data.validation, config.seed);
  std::vector<std::int64_t> test(static_cast<std::size_t>(data.test.count()));
  std::iota(test.begin(), test.end(), 0);
  Selection selection{limited(split.train, config.data.train_limit, config.seed),
                      std::move(split.validation),
                      limited(test, config.data.test_limit, config.seed)};
  check_last_batch(config, data.train, std::ssize(selection.train));
  return selection;
}

}  // namespace switchyard

#include "tests/training/small_run.h"

#include <random>

namespace switchyard::test {
namespace {

constexpr std::int64_t kSide = 8;
constexpr std::int64_t kClasses = 4;

ImageDataset images(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> noise(0, 60);
  ImageDataset data;
  data.name = "stripes";
  data.directory = "nowhere";
  data.source = "given";
  data.images = Tensor::empty({count, kSide, kSide, 1}, DType::kUInt8);
  data.labels = Tensor::empty({count}, DType::kInt64);
  data.classes = kClasses;
  data.class_names = {"a", "b", "c", "d"};
  data.mean = {0.4};
  data.deviation = {0.25};
  auto* pixel = data.images.data<std::uint8_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t label = i % kClasses;
    data.labels.data<std::int64_t>()[i] = label;
    for (std::int64_t y = 0; y < kSide; ++y) {
      for (std::int64_t x = 0; x < kSide; ++x) {
        const std::int64_t along = label % 2 == 0 ? y : x;
        const int level = along % 4 < (label < 2 ? 2 : 1) ? 150 : 20;
        *pixel++ = static_cast<std::uint8_t>(level + noise(random));
      }
    }
  }
  return data;
}

}  // namespace

DatasetPair small_data(std::int64_t train_images, std::int64_t test_images) {
  return {images(train_images, 1), images(test_images, 2)};
}

TrainConfig small_config() {
  TrainConfig config;
  config.model.backbone = {.name = "small", .in_channels = 1};
  config.model.head = {.name = "sparse_moe", .classes = kClasses, .experts = 4, .expert_width = 8};
  config.data.augment = true;
  config.data.validation = 32;
  config.batch_size = 16;
  config.evaluation_batch_size = 20;
  config.epochs = 4;
  config.optimizer.rate = 0.05;
  config.schedule.kind = "one_cycle";
  config.seed = 3;
  config.threads = 1;
  return config;
}

RunDirectory create_run(const std::filesystem::path& path, const TrainConfig& config,
                        const DatasetPair& data) {
  return RunDirectory::create(DirectoryOwner::create(path), config, identify(data));
}

}  // namespace switchyard::test

#include "training/presets.h"

#include <fmt/ranges.h>

#include "engine/core/check.h"

namespace switchyard {

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names = {"quick", "paper", "tiny"};
  return names;
}

TrainConfig paper_training() {
  TrainConfig config;  // whose defaults are the published ones
  config.model.backbone.initialisation = "torchvision";
  return config;
}

TrainConfig quick_training() {
  TrainConfig config;
  config.model.backbone.name = "small";
  config.batch_size = 128;
  config.epochs = 4;  // too few for augmentation to pay
  config.optimizer.rate = 0.1;
  config.schedule.kind = "one_cycle";
  config.schedule.warmup_fraction = 0.25;
  return config;
}

TrainConfig tiny_training() {
  TrainConfig config = quick_training();
  config.data.augment = true;
  config.data.train_limit = 1000;
  config.data.validation = 200;
  config.data.test_limit = 200;
  config.batch_size = 50;
  config.evaluation_batch_size = 100;
  config.epochs = 2;
  return config;
}

TrainConfig training_preset(std::string_view name) {
  if (name == "quick") return quick_training();
  if (name == "paper") return paper_training();
  check<UsageError>(name == "tiny", "no preset '{}' (there are: {})", name,
                    fmt::join(preset_names(), ", "));
  return tiny_training();
}

}  // namespace switchyard

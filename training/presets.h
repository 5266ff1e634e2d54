#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "training/train_config.h"

namespace switchyard {

/// Names of the presets, the default first.
const std::vector<std::string>& preset_names();

/// The published configuration (arXiv 2601.15021): ResNet-18 with torchvision's initialisation, 50
/// epochs of SGD at rate 0.1, times 0.1 after epochs 30 and 40, no augmentation.
TrainConfig paper_training();
/// A small residual network, a few epochs of a one-cycle schedule: minutes on two cores.
TrainConfig quick_training();
/// Two short epochs on a few images: every stage is real, no number means anything.
TrainConfig tiny_training();

/// The preset of that name; UsageError listing the names where there is none.
TrainConfig training_preset(std::string_view name);

}  // namespace switchyard

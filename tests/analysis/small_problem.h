#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// A classifier with the small backbone and random images; image i has label i modulo the classes
/// that `head` is made for. Batch norm has statistics as after training.
struct SmallProblem {
  ImageDataset dataset;
  std::unique_ptr<Classifier> model;

  SmallProblem(const std::string& head, std::int64_t images, DType dtype = DType::kFloat64);

  /// All images in batches of `size`.
  std::vector<Batch> batches(std::int64_t size) const;
};

}  // namespace switchyard

#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "models/classifier.h"
#include "training/routing_statistics.h"

namespace switchyard {

/// Says how well a classifier does, in means over images. loss = cross_entropy + balance_loss,
/// where the balance losses are weighted by their coefficients (0 without any).
struct Scores {
  double loss = 0.0;
  double cross_entropy = 0.0;
  double balance_loss = 0.0;
  double accuracy = 0.0;
};

/// Adds up scores batch by batch. Its whole state is these numbers, which checkpoints save.
struct ScoreSums {
  std::int64_t images = 0;
  std::int64_t correct = 0;
  double cross_entropy = 0.0;  ///< sum over images
  double balance_loss = 0.0;   ///< sum over batches of loss times images

  /// `balance_loss` may be undefined. Values are read, no history is kept.
  void add(const Tensor& logits, const Tensor& labels, const Tensor& cross_entropy,
           const Tensor& balance_loss);
  /// Error when no image was added.
  Scores scores() const;
};

/// Holds what a batch leaves for the metrics, on the host.
struct BatchResults {
  ClassifierOutput output;
  Tensor cross_entropy;  ///< a scalar
};
/// Reads them from the device with one wait, without history. Error where an operation found
/// something wrong on the device (engine/core/fault.h).
BatchResults read_results(const ClassifierOutput& output, const Tensor& cross_entropy);

struct Evaluation {
  std::int64_t images = 0;
  Scores scores;
  std::optional<RoutingStatistics> gate;  ///< MoE heads
};

/// Runs the model in evaluation mode over the images at `indices`, without a graph. An image whose
/// logits hold a NaN counts as wrong and makes the loss NaN. Error when there are no images.
Evaluation evaluate(Classifier& model, const ImageDataset& data, std::vector<std::int64_t> indices,
                    std::int64_t batch_size);

/// {"loss", "cross_entropy", "balance_loss", "accuracy"}, as in a metrics file.
nlohmann::json to_json(const Scores& scores);
/// The objects `test` and `train` of a results file, whose loss is the cross-entropy.
nlohmann::json evaluation_json(const Evaluation& evaluation);

}  // namespace switchyard

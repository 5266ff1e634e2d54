#pragma once

#include <string>
#include <vector>

#include "analysis/efficiency.h"

// Does routing make inference faster? The published study found that its naive form does not. Here
// dense, soft and sparse models, their heads alone, and a token layer that routes nearly all of its
// work stand beside each other, the sparse ones with the naive loop over experts and with the fused
// kernels.

namespace switchyard {

/// A model that is compared, under the name of its run.
struct NamedModel {
  std::string name;
  Classifier* model;
};

/// One way to compute something.
struct GainEntry {
  std::string name;     ///< a model's, or "dense_all", "dense_active", "soft_slots", "sparse"
  std::string variant;  ///< "mask_loop" or "fused" where experts are routed, else empty
  MultiplyAdds multiply_adds;  ///< of an image
  std::vector<InferenceTiming> inference;
};

/// What is compared with each other.
struct GainScope {
  std::string scope;  ///< "model", "head" or "layer"
  std::vector<GainEntry> entries;
};

/// Times the entries of each scope in turns, by batch size, in evaluation mode on random numbers:
///
/// - model: every model, whole, from images [batch, H, W, C]
/// - head: the heads alone, from features [batch, D]; models whose backbone routes have none here
/// - layer: a token layer with random weights on 16 tokens an image: 8 experts of which each token
///   takes 2 (sparse), one expert with all their hidden units (dense_all), one with as many
///   multiply-adds as a token takes (dense_active), and soft slots with as many (soft_slots)
///
/// A variant that the device's kernels refuse is left out. Errors: as measure_efficiency().
std::vector<GainScope> measure_routing_gain(const std::vector<NamedModel>& models,
                                            const Shape& image_shape,
                                            const EfficiencyOptions& options);

/// The `routing_gain` object of a study's file.
nlohmann::json to_json(const std::vector<GainScope>& scopes);

}  // namespace switchyard

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

#include "models/classifier.h"

namespace switchyard {

/// Gap between the k-th and the (k+1)-th gate logit over images: how far the routing, which the
/// Hessian holds fixed, is from changing.
struct RoutingMargin {
  double minimum = 0.0;
  double median = 0.0;
};

/// Collects what the gate did over a data set, batch by batch, in evaluation mode.
class RoutingStatistics {
 public:
  /// Errors: sizes < 1.
  RoutingStatistics(std::int64_t classes, std::int64_t experts);

  /// Adds one batch. `labels` [N] int64. Errors: a dense head's empty output, shapes that differ.
  void add(const GateOutput& gate, const Tensor& labels);

  std::int64_t images() const;
  /// [E] mean gate probability; sums to 1. The study's "utilisation".
  std::vector<double> mean_probability() const;
  /// [E] share of the routed assignments (arg-max choices of a soft head); sums to 1.
  std::vector<double> load() const;
  /// Mean over images of -Σ p ln p, nats.
  double entropy() const;
  /// [classes][E] mean gate probability over the images of one class; NaN for a class without
  /// images.
  std::vector<std::vector<double>> class_by_expert() const;
  /// Sparse and hard heads with k < E; nothing otherwise.
  std::optional<RoutingMargin> margin() const;

 private:
  void add_image(std::span<const double> probabilities, std::size_t label);
  void add_choices(const GateOutput& gate);

  std::vector<std::int64_t> class_images_;  // [classes]
  std::vector<std::int64_t> assignments_;   // [E]
  std::vector<double> probability_;         // [classes · E] sums
  double entropy_ = 0.0;                    // sum over images
  std::vector<double> margins_;             // [images]
};

/// {"minimum", "median"}: `routing_margin` of a results file.
nlohmann::json to_json(const RoutingMargin& margin);
/// The `test.gate` object of a results file, class_by_expert included.
nlohmann::json to_json(const RoutingStatistics& statistics);

}  // namespace switchyard

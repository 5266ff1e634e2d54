#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "training/gate_sums.h"

namespace switchyard {

/// Gap between the k-th and the (k+1)-th gate logit over images, or patches: how far the routing,
/// which the Hessian holds fixed, is from changing.
struct RoutingMargin {
  double minimum = 0.0;
  double median = 0.0;
};

/// Collects what the gate did over a data set, batch by batch, in evaluation mode.
class RoutingStatistics {
 public:
  /// Errors: sizes < 1.
  RoutingStatistics(std::int64_t classes, std::int64_t experts);

  /// Adds one batch. `labels` [N] int64; the gate has N rows, or R·N, of which image i has those
  /// from R·i on. Errors: the empty output of a model without a gate, shapes that differ.
  void add(const GateOutput& gate, const Tensor& labels);

  /// The sums over all images, whatever their class.
  const GateSums& sums() const { return sums_; }
  /// [classes][E] mean gate probability over the images of one class; NaN for a class without
  /// images.
  std::vector<std::vector<double>> class_by_expert() const;
  /// Sparse and hard heads with k < E; nothing otherwise.
  std::optional<RoutingMargin> margin() const;

 private:
  void add_margins(const GateOutput& gate);

  std::size_t experts_ = 0;
  GateSums sums_;
  std::vector<std::int64_t> class_rows_;   // [classes]
  std::vector<double> class_probability_;  // [classes · E] sums
  std::vector<double> margins_;            // [rows]
};

/// {"minimum", "median"}: `routing_margin` of a results file.
nlohmann::json to_json(const RoutingMargin& margin);
/// The `test.gate` object of a results file, class_by_expert included.
nlohmann::json to_json(const RoutingStatistics& statistics);

}  // namespace switchyard

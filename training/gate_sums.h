#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "models/classifier.h"

namespace switchyard {

/// Adds up what a gate did, batch by batch, whatever the labels: plain numbers, so that a
/// checkpoint can keep the sums of an epoch under way.
struct GateSums {
  std::int64_t rows = 0;                  ///< images of a head, patches of an MoE block
  std::vector<double> probability;        ///< [E] sums of the gate probabilities
  std::vector<std::int64_t> assignments;  ///< [E] routed assignments (arg-max choices, soft head)
  double entropy = 0.0;                   ///< sum of -Σ p ln p over rows, nats

  /// Adds one batch; the first one sets E. Errors: a dense head's empty output, another E.
  void add(const GateOutput& gate);

  /// [E] mean gate probability; sums to 1. The study's "utilisation".
  std::vector<double> mean_probability() const;
  /// [E] share of the routed assignments; sums to 1.
  std::vector<double> load() const;
  /// Mean entropy over rows, nats.
  double mean_entropy() const;
};

/// The `gate` object of a metrics line: {"mean_probability", "load", "entropy"}.
nlohmann::json to_json(const GateSums& sums);

}  // namespace switchyard

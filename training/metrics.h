#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "training/evaluate.h"
#include "training/gate_sums.h"

namespace switchyard {

/// One finished epoch, as in metrics.jsonl (docs/design/results.md).
struct EpochMetrics {
  std::int64_t epoch = 0;  ///< from 1
  double learning_rate = 0.0;
  double seconds = 0.0;
  Scores train;           ///< training mode, running mean over the epoch
  GateSums train_gate;    ///< MoE heads: over the same steps, gate noise included
  Evaluation validation;  ///< evaluation mode, after the epoch
};

nlohmann::json to_json(const EpochMetrics& metrics);

/// Appends one line and flushes it to the disk. Error naming the file and the reason.
void append_metrics(const std::filesystem::path& path, const EpochMetrics& metrics);

/// The lines of a metrics file. A last line that a kill cut short is left out; anything else that
/// is no metrics line is an Error naming the file and the line.
std::vector<nlohmann::json> read_metrics(const std::filesystem::path& path);

/// Cuts the lines of epochs after `finished_epochs`, so that the file agrees with a checkpoint.
/// Error where an earlier line is missing.
void truncate_metrics(const std::filesystem::path& path, std::int64_t finished_epochs);

}  // namespace switchyard

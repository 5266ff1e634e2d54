#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "app/progress.h"
#include "app/signals.h"
#include "app/stages.h"

namespace switchyard {

/// Measures the `perturbation` object of a results file, point by point: `top` is what
/// top_eigenvector() gives. Nothing where it was stopped between two points. What was found until
/// then lies below `state`, so that the same measurement goes on from there, bit for bit; what was
/// completed is removed. An empty `state` keeps nothing. `label` begins what the progress says.
std::optional<nlohmann::json> measure_perturbation(Classifier& model, const Subsets& subsets,
                                                   const LanczosResult& top,
                                                   const AnalysisConfig& config,
                                                   const std::filesystem::path& state,
                                                   const StopSignal& stop, Progress& progress,
                                                   const std::string& label);

/// The measurement as tables for people. `curvature` is the run's section with the traces that
/// noise is compared with, or null.
std::string perturbation_text(const nlohmann::json& section, const nlohmann::json& curvature);

}  // namespace switchyard

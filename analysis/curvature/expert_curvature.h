#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/curvature/block_measurement.h"
#include "analysis/curvature/curvature_kind.h"

namespace switchyard {

/// The curvature of one expert of the head with respect to its own parameters, on the images that
/// it serves: those whose chosen experts it is among, all images where every expert answers.
struct ExpertCurvature {
  std::int64_t expert = 0;
  std::int64_t images = 0;
  /// The mean cross-entropy over these images alone, so that an expert is not flat for being rarely
  /// used. Missing where it serves none.
  std::optional<BlockMeasurement> curvature;
};

/// Of every expert of the model's head, as far as the watch allows. Empty for a head without
/// experts. The features are computed once for all of them. Products are kept in a directory of
/// each expert below `state`, if one is given (product_journal.h), graphs as in block_curvature().
std::vector<ExpertCurvature> expert_curvatures(
    CurvatureKind kind, Classifier& model, const std::vector<Batch>& batches,
    const Generator& random, const MeasurementOptions& options, const Watch& watch = {},
    const std::filesystem::path& state = {}, const std::shared_ptr<GraphMemory>& memory = nullptr);

nlohmann::json to_json(const std::vector<ExpertCurvature>& experts);

/// Which share of `images` choices would change if the logits moved: the choice of an image changes
/// when the gap between its k-th and next logit closes, so the share of gaps of at most w, as a
/// curve over w. A binomial standard error for each share.
struct BoundaryMass {
  std::vector<double> width, share, standard_error;
};
/// At `points` widths, evenly spaced from 0 to the greatest margin. Error when there is no margin.
BoundaryMass boundary_mass(std::vector<double> margins, int points = 41);
/// {"width", "share", "standard_error"}.
nlohmann::json to_json(const BoundaryMass& mass);

/// The gap between the k-th and the next gate logit of each image, or patch, of a classifier that
/// chooses k < E experts; empty for others.
std::vector<double> choice_margins(Classifier& model, const std::vector<Batch>& batches);

}  // namespace switchyard

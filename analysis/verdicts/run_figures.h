#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/verdicts/model_groups.h"

namespace switchyard {

// What the claims compare. Each takes a run of read_study() and gives nothing where the run lacks
// the figure, NaN where it is not finite.

/// The number at the JSON pointer `path` of the run's results.
Figure result(std::string path);

/// The rise of the test loss over that at α = 0: mean over both ends of the curve, and over all
/// filter-normalised random directions.
std::optional<double> rise_along_random(const nlohmann::json& run);
/// The same along the top eigenvector of the training images' Hessian.
std::optional<double> rise_along_eigenvector(const nlohmann::json& run);

/// The least used expert's share of the test set's assignments, as a part of an even share 1/E.
std::optional<double> lowest_share(const nlohmann::json& run);

/// The median latency of a batch of `batch_size` images, in milliseconds.
Figure latency(std::int64_t batch_size);

/// All batch sizes of which any run of the study has a latency, ascending.
std::vector<std::int64_t> batch_sizes(const nlohmann::json& study);

}  // namespace switchyard

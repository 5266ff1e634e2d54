#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace switchyard {

/// A figure of a run, NaN where it is not finite, nothing where it was not measured.
using Figure = std::function<std::optional<double>(const nlohmann::json& run)>;

/// The number that `value` holds, NaN for null: JSON has no other way to say "not finite".
double number(const nlohmann::json& value);

// What the claims compare. Each takes a run of read_study() and gives nothing where the run lacks
// the figure, NaN where it is not finite.

/// The number at the JSON pointer `path` of the run's results.
Figure result(std::string path);

/// Accuracy on all training images less that on the test images.
std::optional<double> generalisation_gap(const nlohmann::json& run);

/// The rise of the test loss over that at α = 0: mean over both ends of the curve, and over all
/// filter-normalised random directions.
std::optional<double> rise_along_random(const nlohmann::json& run);
/// The same along the top eigenvector of the training images' Hessian.
std::optional<double> rise_along_eigenvector(const nlohmann::json& run);

/// The least used expert's share of the test set's assignments, as a part of an even share 1/E.
std::optional<double> lowest_share(const nlohmann::json& run);

}  // namespace switchyard

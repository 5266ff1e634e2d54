#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard {

// A configuration is built in layers: a preset, then a file, then single settings. Layers are JSON;
// only the result is parsed, so that every error is found in one place.

/// Lays `upper` over `lower`: objects are merged field by field, everything else is replaced. Where
/// `upper` chooses another `name` or `kind`, the object's old fields belong to something else and
/// are dropped; `classes` and `in_channels`, which describe the data, stay.
nlohmann::json merge_settings(nlohmann::json lower, const nlohmann::json& upper);

/// The layer that a setting "optimizer.rate=0.2" stands for: {"optimizer": {"rate": 0.2}}. The
/// value is JSON, read as strictly as a file, or a string: a word that begins like none of JSON's
/// values. UsageError where there is no path, no '=', a field without a name, more than
/// kMaxJsonDepth fields, bytes that are no UTF-8, broken JSON, or a number such as .1 that JSON
/// writes otherwise.
nlohmann::json parse_setting(const std::string& text);

/// The dotted path of a field in which the two differ, or "" where they are equal.
std::string first_difference(const nlohmann::json& a, const nlohmann::json& b);

}  // namespace switchyard

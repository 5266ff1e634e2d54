#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// The number of single-character changes (one inserted, dropped, replaced, or two neighbours
/// swapped) that turn `a` into `b`: the optimal string alignment distance.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The name of `known` that is nearest to `given`, where `given` can be a slip of it: at most one
/// change in every three characters. Upper and lower case, '-' and '_' count as equal. Empty where
/// there is none.
std::string_view nearest_name(std::string_view given, std::span<const std::string> known);

/// Says that `given` is none of `known`, such as "must be dense or soft_moe, got 'dens'; did you
/// mean 'dense'?"; "" where it is one.
std::string choice_problem(std::string_view given, std::initializer_list<std::string_view> known);

/// "; did you mean 'epochs'?" for the end of a message about a name that is not there, or "".
std::string did_you_mean(std::string_view given, std::span<const std::string> known);

}  // namespace switchyard

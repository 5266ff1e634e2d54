#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/size_expression.h"
#include "kernels/xray/xray.h"

namespace switchyard {

/// Reads "X", "X,Y" or "X,Y,Z", each a size (size_value); parts that are not said are `least`.
/// Errors: UsageError naming the option for anything else, and for parts that are not from `least`
/// to 2147483647.
kernels::Dim3 parse_extent(const std::string& option, const std::string& text,
                           const SizeNames& names = {}, unsigned least = 1);

/// Reads "together", "reverse" or "random:SEED". Errors: UsageError.
kernels::xray::Schedule parse_schedule(const std::string& text);

/// The blocks of a grid that a list names: "first", "last", "random:COUNT" or "random:COUNT:SEED",
/// and numbers. Ascending, each once. Errors: UsageError for anything else, and for a number that
/// the grid does not have.
std::vector<std::uint64_t> parse_blocks(const std::string& text, std::uint64_t grid);

}  // namespace switchyard

#pragma once

#include <initializer_list>
#include <string_view>

#include "analysis/report/json_field.h"

namespace switchyard {

// Checks of fields that several sections share. Each throws Error naming file and field.

void check_one_of(const JsonField& field, std::initializer_list<std::string_view> choices);
/// An array of so many numbers, null among them where one is not finite.
void check_numbers(const JsonField& array, size_t size);
void check_fractions(const JsonField& array, size_t size);
/// The four half-widths of an estimate; null where unknown.
void check_error_bars(const JsonField& error);

}  // namespace switchyard

#include "analysis/report/field_checks.h"

#include <fmt/format.h>

namespace switchyard {

void check_one_of(const JsonField& field, std::initializer_list<std::string_view> choices) {
  std::string list;
  for (const std::string_view choice : choices) {
    if (field.string() == choice) return;
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", choice);
  }
  field.fail(fmt::format("expected one of {}, got '{}'", list, field.string()));
}

void check_numbers(const JsonField& array, size_t size) {
  for (const JsonField& element : array.elements(size)) element.number();
}

void check_fractions(const JsonField& array, size_t size) {
  for (const JsonField& element : array.elements(size)) element.fraction();
}

void check_error_bars(const JsonField& error) {
  for (const char* bar : {"probe", "iteration", "data", "total"}) error.at(bar).number();
}

}  // namespace switchyard

#include "kernels/workbench/sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace switchyard::kernels::workbench {

Sizes::Sizes(const std::vector<SizeParameter>& parameters, const std::vector<std::int64_t>& values)
    : parameters_(parameters), values_(values) {
  if (values_.empty()) {
    for (const SizeParameter& parameter : parameters_) values_.push_back(parameter.standard);
  }
  if (values_.size() != parameters_.size()) {
    throw std::invalid_argument(
        fmt::format("{} sizes for {} parameters", values_.size(), parameters_.size()));
  }
}

std::size_t Sizes::position(std::string_view name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const SizeParameter& p) { return p.name == name; });
  if (found != parameters_.end()) return static_cast<std::size_t>(found - parameters_.begin());
  std::string known;
  for (const SizeParameter& p : parameters_) known += (known.empty() ? "" : ", ") + p.name;
  throw std::invalid_argument(fmt::format("no size '{}' (there are: {})", name, known));
}

bool Sizes::has(std::string_view name) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const SizeParameter& p) { return p.name == name; });
}

void Sizes::set(std::string_view name, std::int64_t value) {
  const std::size_t i = position(name);
  const SizeParameter& p = parameters_[i];
  if (value < p.least || value > p.most) {
    throw std::invalid_argument(
        fmt::format("{}: must be from {} to {}, got {}", name, p.least, p.most, value));
  }
  values_[i] = value;
}

std::int64_t Sizes::operator[](std::string_view name) const { return values_[position(name)]; }

std::string Sizes::to_string(std::string_view between, std::string_view equals) const {
  std::string text;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    text += fmt::format("{}{}{}{}", i > 0 ? between : "", parameters_[i].name, equals, values_[i]);
  }
  return text;
}

}  // namespace switchyard::kernels::workbench

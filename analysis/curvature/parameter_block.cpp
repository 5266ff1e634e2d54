#include "analysis/curvature/parameter_block.h"

#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <numeric>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

/// True where `glob` matches the name, or that of a module around it.
bool matches(const std::string& glob, const std::string& name) {
  const auto fits = [&](const std::string& text) {
    return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
  };
  if (fits(name)) return true;
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    if (fits(name.substr(0, dot))) return true;
  }
  return false;
}

/// The innermost module that has all of the parameters; the parameter's own name for a single one.
std::string module_around(const std::vector<std::string>& names) {
  std::string common = names[0];
  for (const std::string& name : names) {
    const auto parted = std::ranges::mismatch(common, name).in1;
    common.resize(static_cast<std::size_t>(parted - common.begin()));
  }
  return names.size() == 1 ? common : common.substr(0, common.rfind('.'));
}

}  // namespace

ParameterBlock::ParameterBlock(const std::vector<nn::NamedTensor>& parameters) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool stack = parameters[i].layout == nn::NamedTensor::Layout::kStack;
    const std::vector<nn::PublishedTensor> entries = nn::published({parameters[i]});
    for (std::size_t e = 0; e < entries.size(); ++e) {
      parts_.push_back(
          {entries[e].name, i, stack ? std::optional(static_cast<std::int64_t>(e)) : std::nullopt});
      sizes_.push_back(entries[e].tensor.numel());
    }
  }
}

ParameterBlock ParameterBlock::matching(std::span<const std::string> globs) const {
  std::vector<bool> taken(parts_.size());
  for (const std::string& glob : globs) {
    bool any = false;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (!matches(glob, parts_[i].name)) continue;
      taken[i] = any = true;
    }
    check<UsageError>(any, "[block] '{}' matches no parameter; there are {}", glob,
                      fmt::join(module_names(*this), ", "));
  }
  ParameterBlock block;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (!taken[i]) continue;
    block.parts_.push_back(parts_[i]);
    block.sizes_.push_back(sizes_[i]);
  }
  return block;
}

bool ParameterBlock::has(const std::string& glob) const {
  return std::ranges::any_of(parts_, [&](const Part& part) { return matches(glob, part.name); });
}

std::int64_t ParameterBlock::dimension() const {
  return std::accumulate(sizes_.begin(), sizes_.end(), std::int64_t{0});
}

bool ParameterBlock::lies_in(std::string_view prefix) const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.name.starts_with(prefix); });
}

std::vector<std::size_t> ParameterBlock::touched() const {
  std::vector<std::size_t> numbers;
  for (const Part& part : parts_) {
    if (numbers.empty() || numbers.back() != part.parameter) numbers.push_back(part.parameter);
  }
  return numbers;
}

ParameterBlock ParameterBlock::among_touched() const {
  const std::vector<std::size_t> numbers = touched();
  ParameterBlock block = *this;
  for (Part& part : block.parts_) {
    const auto at = std::lower_bound(numbers.begin(), numbers.end(), part.parameter);
    part.parameter = static_cast<std::size_t>(at - numbers.begin());
  }
  return block;
}

ParameterBlock ParameterBlock::by_itself() const {
  ParameterBlock block = *this;
  for (std::size_t i = 0; i < block.parts_.size(); ++i) {
    block.parts_[i].parameter = i;
    block.parts_[i].entry.reset();
  }
  return block;
}

Tensor ParameterBlock::part(std::span<const Tensor> whole, std::size_t number) const {
  const Part& part = parts_[number];
  const Tensor& tensor = whole[part.parameter];
  return part.entry ? tensor.entry(*part.entry) : tensor.detach();
}

ParameterVector ParameterBlock::part_of(std::span<const Tensor> whole) const {
  ParameterVector result;
  for (std::size_t i = 0; i < parts_.size(); ++i) result.push_back(part(whole, i).clone());
  return result;
}

ParameterVector ParameterBlock::embed(std::span<const Tensor> part,
                                      std::span<const Tensor> like) const {
  check(part.size() == parts_.size(), "[block] {} tensors for {} parts", part.size(),
        parts_.size());
  ParameterVector whole = zeros_like(like);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Tensor target = this->part(whole, i);
    target.copy_from(part[i]);
  }
  return whole;
}

std::string module_name(const std::string& parameter) {
  std::size_t end = parameter.find('.');
  for (int dots = 1; dots < 3 && end != std::string::npos; ++dots) {
    end = parameter.find('.', end + 1);
  }
  return parameter.substr(0, std::min(end, parameter.rfind('.')));
}

std::vector<std::string> module_names(const ParameterBlock& block) {
  std::vector<std::string> names;
  for (const ParameterBlock::Part& part : block.parts()) {
    std::string name = module_name(part.name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

std::vector<NamedBlock> split_by_module(const ParameterBlock& block) {
  std::vector<NamedBlock> blocks;
  for (const std::string& module : module_names(block)) {
    std::vector<std::string> names;
    for (const ParameterBlock::Part& part : block.parts()) {
      if (module_name(part.name) == module) names.push_back(part.name);
    }
    // Full names match themselves alone.
    blocks.push_back({module_around(names), block.matching(names)});
  }
  return blocks;
}

}  // namespace switchyard

#include "engine/nn/module.h"

namespace switchyard::nn {
namespace {

std::string prefix_of(const std::string& stack) { return stack.substr(0, stack.find('*')); }

/// The end of the stacks from `begin` that are named and counted alike: one module's.
std::size_t end_of_stacks(const std::vector<NamedTensor>& named, std::size_t begin) {
  const NamedTensor& first = named[begin];
  std::size_t end = begin + 1;
  while (end < named.size() && named[end].layout == NamedTensor::Layout::kStack &&
         prefix_of(named[end].name) == prefix_of(first.name) &&
         named[end].tensor->size(0) == first.tensor->size(0)) {
    ++end;
  }
  return end;
}

std::string entry_name(std::string name, std::int64_t entry) {
  return name.replace(name.find('*'), 1, std::to_string(entry));
}

void copy_tensors(const std::vector<NamedTensor>& from, const std::vector<NamedTensor>& to) {
  check(from.size() == to.size(), "[module] {} tensors do not fill {}", from.size(), to.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    check(from[i].name == to[i].name, "[module] the tensor {} cannot be copied into {}",
          from[i].name, to[i].name);
    to[i].tensor->copy_from(*from[i].tensor);
  }
}

}  // namespace

std::vector<NamedTensor> Module::parameters() { return collect(&Module::parameters_); }

std::vector<NamedTensor> Module::buffers() { return collect(&Module::buffers_); }

void Module::to(Device device) {
  for (const NamedTensor& parameter : parameters()) {
    if (parameter.tensor->device() == device) continue;
    *parameter.tensor = parameter.tensor->to(device).set_requires_grad();
  }
  for (const NamedTensor& buffer : buffers()) {
    if (is_floating(buffer.tensor->dtype())) *buffer.tensor = buffer.tensor->to(device);
  }
}

void Module::copy_state_from(Module& other) {
  copy_tensors(other.parameters(), parameters());
  copy_tensors(other.buffers(), buffers());
}

void Module::register_parameter(std::string name, Tensor& tensor, NamedTensor::Layout layout) {
  tensor.set_requires_grad();
  parameters_.push_back({std::move(name), &tensor, layout});
}

void Module::register_buffer(std::string name, Tensor& tensor) {
  buffers_.push_back({std::move(name), &tensor, NamedTensor::Layout::kSame});
}

void Module::register_child(std::string name, Module& child) {
  children_.emplace_back(std::move(name), &child);
}

std::vector<NamedTensor> Module::collect(std::vector<NamedTensor> Module::*own) {
  std::vector<NamedTensor> all = this->*own;
  for (const auto& [prefix, child] : children_) {
    for (NamedTensor named : child->collect(own)) {
      named.name = prefix + "." + named.name;
      all.push_back(std::move(named));
    }
  }
  return all;
}

std::vector<PublishedTensor> published(const std::vector<NamedTensor>& named,
                                       std::span<const Tensor> values) {
  check(named.size() == values.size(), "[published] {} tensors for {} names", values.size(),
        named.size());
  std::vector<PublishedTensor> result;
  for (std::size_t begin = 0; begin < named.size();) {
    if (named[begin].layout != NamedTensor::Layout::kStack) {
      result.push_back({named[begin].name, values[begin].detach(), named[begin].layout});
      ++begin;
      continue;
    }
    const std::size_t end = end_of_stacks(named, begin);
    for (std::int64_t entry = 0; entry < values[begin].size(0); ++entry) {
      for (std::size_t i = begin; i < end; ++i) {
        result.push_back({entry_name(named[i].name, entry), values[i].entry(entry)});
      }
    }
    begin = end;
  }
  return result;
}

std::vector<PublishedTensor> published(const std::vector<NamedTensor>& named) {
  return published(named, tensors_of(named));
}

std::vector<Tensor> tensors_of(const std::vector<NamedTensor>& named) {
  std::vector<Tensor> tensors;
  for (const NamedTensor& entry : named) tensors.push_back(*entry.tensor);
  return tensors;
}

std::vector<Tensor> tensors_of(const std::vector<PublishedTensor>& published) {
  std::vector<Tensor> tensors;
  for (const PublishedTensor& entry : published) tensors.push_back(entry.tensor);
  return tensors;
}

}  // namespace switchyard::nn

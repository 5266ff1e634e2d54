#include "engine/nn/module.h"

namespace switchyard::nn {

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

std::vector<Tensor> tensors_of(const std::vector<NamedTensor>& named) {
  std::vector<Tensor> tensors;
  for (const NamedTensor& entry : named) tensors.push_back(*entry.tensor);
  return tensors;
}

}  // namespace switchyard::nn

#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard::nn {

/// Says how a forward pass runs. In training mode dropout and gate noise draw from `random` and
/// batch norm uses and updates batch statistics; in evaluation mode nothing is random and nothing
/// is updated.
struct Mode {
  bool training = false;
  Generator* random = nullptr;  ///< required in training mode

  static Mode evaluation() { return {}; }
  static Mode train(Generator& random) { return {true, &random}; }
};

/// A named tensor of a module: `tensor` points into the module, which must outlive it.
struct NamedTensor {
  std::string name;  ///< "layer2.0.conv1.weight": PyTorch's dotted path
  Tensor* tensor = nullptr;
  /// Says, for files, how the engine's layout differs from PyTorch's: a convolution's weight is
  /// OHWI here and OIHW there; the entries of a stack's axis 0 are tensors of their own there,
  /// whose numbers take the place of the '*' in the name ("experts.*.net.0.weight").
  enum class Layout { kSame, kConvWeight, kStack } layout = Layout::kSame;
};

/// A tensor under the name that it has in files: a module's, or one entry of a stack.
struct PublishedTensor {
  std::string name;
  Tensor tensor;  ///< shares its elements with what it is a part of, without history
  NamedTensor::Layout layout = NamedTensor::Layout::kSame;  ///< never kStack
};

/// `values`, one for each of `named` and of its shape, under their names in files, in PyTorch's
/// order: neighbouring stacks of one module are listed entry by entry.
std::vector<PublishedTensor> published(const std::vector<NamedTensor>& named,
                                       std::span<const Tensor> values);
/// Lists the tensors themselves under their published names.
std::vector<PublishedTensor> published(const std::vector<NamedTensor>& named);

/// Owner of parameters (trained), buffers (running statistics) and child modules, in registration
/// order, which is also PyTorch's state_dict order. Children are members of the derived class.
class Module {
 public:
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Leaves that require gradients, depth first.
  std::vector<NamedTensor> parameters();
  /// Tensors that are saved with the model but not trained (batch-norm statistics).
  std::vector<NamedTensor> buffers();

  /// Moves parameters and floating-point buffers to `device`; counters stay on the host. Whoever
  /// took the tensors before (optimisers, graphs) keeps the old ones.
  void to(Device device);

  /// Overwrites parameters and buffers in place with those of `other`, a module of the same
  /// structure, on whatever device. Error naming the first that the two do not share.
  void copy_state_from(Module& other);

 protected:
  Module() = default;
  void register_parameter(std::string name, Tensor& tensor,
                          NamedTensor::Layout layout = NamedTensor::Layout::kSame);
  void register_buffer(std::string name, Tensor& tensor);
  void register_child(std::string name, Module& child);

 private:
  std::vector<NamedTensor> collect(std::vector<NamedTensor> Module::*own);

  std::vector<NamedTensor> parameters_;
  std::vector<NamedTensor> buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
};

/// The tensors behind the names, for grad() and optimisers.
std::vector<Tensor> tensors_of(const std::vector<NamedTensor>& named);
std::vector<Tensor> tensors_of(const std::vector<PublishedTensor>& published);

}  // namespace switchyard::nn

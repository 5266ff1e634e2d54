#pragma once

#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard {

struct GradOptions {
  /// Record the computation of the gradient, so that it can be differentiated again.
  bool create_graph = false;
  /// Keep saved tensors for another call. Implied by create_graph. Otherwise each operation's saved
  /// tensors are freed as soon as the gradient has passed it.
  bool retain_graph = false;
};

/// Vector-Jacobian product: for each input, sum over outputs of cotangentᵀ · ∂output/∂input.
///
/// `inputs` may be leaves or intermediate results; each gradient has its input's shape and dtype,
/// and is zeros where no path leads from the outputs to it. A gradient is a value of its own: it
/// shares memory with no other gradient, cotangent or tensor of the graph, so that it may be
/// changed in place. `cotangents` may be empty when every output has one element (then they are
/// ones). Errors: an input or output without history, a cotangent of another shape, a graph whose
/// saved tensors were already freed or overwritten in place, an operation without a derivative
/// (named).
std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> cotangents = {}, GradOptions options = {});

/// Computes the gradients of one scalar output.
std::vector<Tensor> grad(const Tensor& output, std::span<const Tensor> inputs,
                         GradOptions options = {});

}  // namespace switchyard

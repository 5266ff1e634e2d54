#pragma once

#include <vector>

#include "engine/autograd/gradcheck.h"
#include "models/moe_layer.h"
#include "tests/models/reference_heads.h"

namespace switchyard::test {

/// Every gate of a token MoE layer.
inline const std::vector<std::string>& moe_gates() {
  static const std::vector<std::string> gates = {
      "topk_softmax", "softmax_topk",         "softmax_topk_renormalized",
      "sigmoid",      "sigmoid_renormalized", "expert_choice"};
  return gates;
}

/// A layer whose parameters are normal numbers of a scale that keeps its results near one.
std::unique_ptr<MoeLayer> random_moe_layer(const MoeConfig& config, std::int64_t width,
                                           std::int64_t out, DType dtype, std::uint64_t seed = 1);

/// y [T, C] in evaluation mode as docs/design/moe_layer.md defines it, token by token and expert by
/// expert in plain loops: the oracle. Without a capacity, but for expert_choice.
Matrix reference_moe(MoeLayer& layer, const Matrix& tokens);

/// `f(inputs, parameters of the module)` as a function of all of them, for gradcheck(); the module
/// holds what it was last called with.
TensorFunction with_parameters(nn::Module& module, std::function<Tensor(std::span<const Tensor>)> f,
                               std::size_t inputs);
/// The inputs, and behind them the module's parameters, as gradcheck() takes them.
std::vector<Tensor> and_parameters(std::vector<Tensor> inputs, nn::Module& module);

}  // namespace switchyard::test

#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include "engine/core/bfloat16.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// x in another floating dtype, rounded to nearest; x itself where nothing changes. Differentiable:
/// the cotangent is converted back. Error: an integer tensor.
Tensor convert(const Tensor& x, DType dtype);

inline bool is_bfloat16(const Tensor& x) { return x.defined() && x.dtype() == DType::kBFloat16; }

/// x in float32 if it is bfloat16; else, or if it is undefined, x itself.
inline Tensor widened(const Tensor& x) { return is_bfloat16(x) ? convert(x, DType::kFloat32) : x; }

/// Error naming `op` unless all tensors that are defined are bfloat16.
void check_bfloat16(std::string_view op, std::initializer_list<const Tensor*> tensors);

/// How operations without a kernel for bfloat16 compute in it: f(inputs...) with the inputs widened
/// to float32, rounded once. Inputs may be undefined. The conversions are operations of the graph,
/// so that derivatives of every order are f's own, in float32, and are rounded where they leave it.
/// Error naming `op`: an input of another dtype.
template <class F, class... Inputs>
Tensor in_float32(std::string_view op, F&& f, const Inputs&... inputs) {
  check_bfloat16(op, {&inputs...});
  return convert(std::forward<F>(f)(widened(inputs)...), DType::kBFloat16);
}

}  // namespace switchyard

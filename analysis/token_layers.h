#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/core/tensor.h"
#include "models/multiply_adds.h"

namespace switchyard {

inline constexpr std::int64_t kTokensOfImage = 16;  ///< as the patches of the backbone small_moe
inline constexpr std::int64_t kTokenWidth = 256;

/// A token layer of 256 numbers a token in evaluation mode, random weights, float32.
struct TokenLayer {
  std::string name;
  MultiplyAdds multiply_adds;                      ///< of an image
  std::function<Tensor(const Tensor& x)> forward;  ///< [N, 16, 256] -> y of as many numbers
};

/// Four ways to spend hidden units of 256 on tokens, ReLU between two linear layers:
///
/// - dense_all: 8 · 256 hidden units for every token
/// - dense_active: 2 · 256, the multiply-adds of two experts
/// - soft_slots: 8 experts with 4 slots an image each, which is two experts' work a token
/// (SoftSlots)
/// - sparse: 8 experts, of which a gate chooses 2 for each token (MoeLayer)
std::vector<TokenLayer> make_token_layers(Device device);

}  // namespace switchyard

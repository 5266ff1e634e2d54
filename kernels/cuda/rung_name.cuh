#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace switchyard::kernels {

namespace internal {

/// The characters of both texts and a NUL behind them.
template <class Op, const std::string_view& kTechnique>
inline constexpr auto kRungNameText = [] {
  std::array<char, Op::kName.size() + kTechnique.size() + 1> text{};
  std::size_t at = 0;
  for (const char c : Op::kName) text[at++] = c;
  for (const char c : kTechnique) text[at++] = c;
  return text;
}();

}  // namespace internal

/// Names a rung after its kernel and its technique, where one launcher serves several kernels:
/// "softmax_forward" and "_warp_per_row". Its data() ends with a NUL.
template <class Op, const std::string_view& kTechnique>
inline constexpr std::string_view kRungName = {internal::kRungNameText<Op, kTechnique>.data(),
                                               Op::kName.size() + kTechnique.size()};

}  // namespace switchyard::kernels

#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace switchyard::kernels {

namespace internal {

inline constexpr std::string_view kNothing = "";

/// The characters of all three texts and a NUL behind them.
template <class Op, const std::string_view& kTechnique, const std::string_view& kSuffix>
inline constexpr auto kRungNameText = [] {
  std::array<char, Op::kName.size() + kTechnique.size() + kSuffix.size() + 1> text{};
  std::size_t at = 0;
  for (const char c : Op::kName) text[at++] = c;
  for (const char c : kTechnique) text[at++] = c;
  for (const char c : kSuffix) text[at++] = c;
  return text;
}();

}  // namespace internal

/// Names a rung after its kernel and its technique, where one launcher serves several kernels:
/// "softmax_forward" and "_warp_per_row", and behind them what else distinguishes it. Its data()
/// ends with a NUL.
template <class Op, const std::string_view& kTechnique,
          const std::string_view& kSuffix = internal::kNothing>
inline constexpr std::string_view kRungName = {
    internal::kRungNameText<Op, kTechnique, kSuffix>.data(),
    Op::kName.size() + kTechnique.size() + kSuffix.size()};

}  // namespace switchyard::kernels

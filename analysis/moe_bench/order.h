#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::moe_bench {

/// Says what of the layer is timed.
enum class Order : std::uint8_t {
  kForward,   ///< inference: nothing is kept for the way back
  kBackward,  ///< all gradients, from the pre-activations that the way there kept
  kTraining,  ///< the way there, which keeps them, and the way back
  kHvp,       ///< one Hessian-vector product on a kept graph
};

/// "forward", "backward", "training", "hvp".
std::string_view name(Order order);
std::vector<std::string> order_names();
/// Errors: UsageError with the known names.
Order parse_order(std::string_view text);

}  // namespace switchyard::moe_bench

#include "analysis/moe_bench/order.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engine/core/check.h"

namespace switchyard::moe_bench {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"forward", "backward", "training", "hvp"};

}  // namespace

std::string_view name(Order order) { return kNames[static_cast<std::size_t>(order)]; }

std::vector<std::string> order_names() { return {kNames.begin(), kNames.end()}; }

Order parse_order(std::string_view text) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), text);
  check<UsageError>(found != kNames.end(), "no order '{}', there are: {}", text,
                    fmt::join(kNames, ", "));
  return static_cast<Order>(found - kNames.begin());
}

}  // namespace switchyard::moe_bench

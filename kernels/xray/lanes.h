#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

template <class D, class F, class... A, std::size_t... I>
void map_lanes(Warp& warp, const Instruction& in, std::index_sequence<I...>) {
  const std::tuple<const A*...> from(warp.lanes<A>(in.slot[I + 1])...);
  D result[kLanes];
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    result[i] = static_cast<D>(F{}(std::get<I>(from)[i]...));
  }
  warp.store(in.slot[0], result);
}

/// A handler that computes slot[0] = function(slot[1], ...) for each lane: 32 values at a time, in
/// loops that the compiler turns into vector instructions. `function` is a lambda without captures.
template <class D, class... A, class F>
Handler lift(F) {
  return [](Warp& warp, const Instruction& in) {
    map_lanes<D, F, A...>(warp, in, std::index_sequence_for<A...>{});
  };
}

/// Calls body(lane) for each lane that is set, lowest first.
template <class Body>
void for_lanes(std::uint32_t lanes, const Body& body) {
  for (std::uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    body(static_cast<std::uint32_t>(__builtin_ctz(rest)));
  }
}

}  // namespace switchyard::kernels::xray

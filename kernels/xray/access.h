#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/xray/access_count.h"
#include "kernels/xray/film.h"
#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

/// Where the active lanes of a memory instruction reach: computed, checked and counted.
struct Access {
  std::uint64_t address[kLanes];  ///< within the space
  std::byte* host[kLanes] = {};   ///< null for lanes that are not active
  Pattern pattern =
      Pattern::kAny;  ///< kAny too in local memory, or where a lane does not reach any
  /// Where the launch is checked: the lanes whose i-th element was never written.
  std::uint32_t undefined[8] = {};
  Space undefined_space = Space::kGlobal;
};

/// The addresses that a register (or none: `bits` 0) and an offset give.
void addresses(const Warp& warp, Slot slot, std::uint8_t bits, std::int64_t offset,
               std::uint64_t (&address)[kLanes]);

/// Resolves slot[1] and `offset` of an instruction for `bytes` bytes per lane. Errors: Fault for a
/// misaligned address and for one outside of what the space holds; where the launch is checked that
/// is noted, and the lane reads zeros or writes nowhere. Returns the lanes that reach memory.
std::uint32_t resolve(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                      Access& access);
/// The same for addresses that are known already, in the given space.
std::uint32_t resolve(const Warp& warp, const Instruction& in, Space space, Use use,
                      std::uint32_t bytes, std::uint32_t lanes, Access& access);

/// Counts what an access of those lanes costs: for its instruction, and for the caches where they
/// are measured.
void count_access(const Warp& warp, const Instruction& in, Space space, Use use,
                  std::uint32_t bytes, std::uint32_t lanes, const Access& access);

}  // namespace switchyard::kernels::xray

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "kernels/common/dim3.h"
#include "kernels/xray/access_count.h"
#include "kernels/xray/finding.h"
#include "kernels/xray/memory.h"
#include "kernels/xray/program.h"

namespace switchyard::kernels::xray {

inline constexpr std::uint32_t kLanes = 32;
inline constexpr std::uint32_t kAllLanes = 0xFFFFFFFFU;

/// Generic addresses in these windows mean shared and local memory and a kernel's parameters; no
/// host address lies there.
inline constexpr std::uint64_t kSharedWindow = std::uint64_t{1} << 56;
inline constexpr std::uint64_t kLocalWindow = std::uint64_t{2} << 56;
inline constexpr std::uint64_t kParamWindow = std::uint64_t{3} << 56;
inline constexpr std::uint64_t kWindowBytes = std::uint64_t{1} << 32;

/// The index of a block or thread within a grid or block: x runs fastest.
inline Dim3 index_in(const Dim3& extent, std::uint64_t number) {
  return {static_cast<unsigned>(number % extent.x),
          static_cast<unsigned>(number / extent.x % extent.y),
          static_cast<unsigned>(number / extent.x / extent.y)};
}

class Film;
struct CheckedLaunch;
class ReuseDistances;

/// What one launch is made of.
struct Launch {
  const Program& program;
  LaunchShape shape;
  std::vector<std::byte> parameters;
  const Memory& memory;
  CheckedLaunch* checked = nullptr;  ///< where the launch is checked
  Film* film = nullptr;              ///< what keeps accesses of one warp, if any does
  ReuseDistances* cache = nullptr;   ///< where the traffic between caches and DRAM is asked for
  bool find_wraps = false;           ///< follow 32-bit indices that wrap around
};

/// A copy that cp.async began and whose bytes have not landed yet.
struct PendingCopy {
  std::uint32_t lanes = 0;
  std::uint32_t landed = 0;     ///< lanes whose bytes are there although nobody waited yet
  std::uint32_t undefined = 0;  ///< lanes whose source was never written
  std::uint8_t bytes = 0;
  std::array<std::uint32_t, kLanes> group{};  ///< how many groups its lane had committed before
  std::array<std::uint32_t, kLanes> to{};     ///< shared address
  std::array<std::array<std::byte, 16>, kLanes> data{};
};

/// A register of some lanes that holds what was never written.
struct Taint {
  Slot slot = kNoSlot;
  std::uint32_t lanes = 0;
  std::uint32_t pc = 0;  ///< of the load, or of the shuffle from a lane that takes no part
  Space space = Space::kGlobal;
  std::uint64_t address = 0;  ///< of the first such lane's element
  std::uint32_t bytes = 0;    ///< of the element; 0: a shuffle's, from lane `address`
};

/// A register that some lanes computed from an index that did not fit 32 bits.
struct Wrap {
  Slot slot = kNoSlot;
  std::uint32_t as_signed = 0;    ///< lanes whose true value is another one, read as signed
  std::uint32_t as_unsigned = 0;  ///< and read as unsigned
  std::uint32_t pc = 0;           ///< where it wrapped around
};

struct BlockState;
class Checker;

/// The state of 32 lanes. Handlers see `active`, the registers and the block.
struct Warp {
  std::byte* base[2] = {nullptr, nullptr};  ///< registers, constants
  std::uint32_t active = 0;                 ///< the lanes that the current instruction acts for
  BlockState* block = nullptr;
  std::byte* local = nullptr;
  std::uint32_t carry = 0;  ///< CC.CF of each lane
  std::uint32_t index = 0;  ///< within the block
  std::vector<PendingCopy> copies;
  std::vector<Taint> taints;                      ///< none but where the launch is checked
  std::vector<Wrap> wraps;                        ///< none but where the launch follows them
  std::array<std::uint32_t, kLanes> committed{};  ///< cp.async groups so far

  // The scheduler's (block_run.cpp).
  std::array<std::uint32_t, kLanes> pc{};
  std::uint32_t alive = 0;
  std::uint32_t at_barrier = 0;
  std::uint32_t at_collective = 0;
  std::uint32_t parked = 0;    ///< at a bar.sync, until the rest of a warp that was split is there
  std::uint32_t deferred = 0;  ///< stand back while others make what they spin on
  std::array<std::uint32_t, kLanes> waits_at{};  ///< the barrier instruction of a lane that waits
  std::array<std::uint8_t, kLanes> barrier{};    ///< and the barrier's number

  template <class T>
  T* lanes(Slot slot) const {
    return reinterpret_cast<T*>(base[slot >> 31] + (slot & ~kConstantSlot));
  }
  /// Writes a result for the active lanes.
  template <class T>
  void store(Slot slot, const T (&result)[kLanes]) const {
    if (slot == kNoSlot) return;
    T* to = lanes<T>(slot);
    if (active == kAllLanes) {
      std::memcpy(to, result, sizeof result);
    } else {
      for (std::uint32_t i = 0; i < kLanes; ++i) to[i] = (active >> i & 1) != 0 ? result[i] : to[i];
    }
  }
  std::uint32_t predicate(Slot slot) const {
    const std::uint32_t bits = *lanes<std::uint32_t>(slot & ~kInvertedSlot);
    return (slot & kInvertedSlot) != 0 ? ~bits : bits;
  }
  void store_predicate(Slot slot, std::uint32_t bits) const {
    if (slot == kNoSlot) return;
    std::uint32_t& to = *lanes<std::uint32_t>(slot);
    to = (to & ~active) | (bits & active);
  }
};

/// The barrier that bar.sync names.
struct Barrier {
  std::uint32_t arrived = 0;   ///< threads
  std::uint32_t expected = 0;  ///< 0: all threads of the block
  std::uint32_t votes = 0;     ///< threads with a true predicate, for bar.red
  std::uint32_t voters = 0;
};

/// One block that runs, on one host thread.
struct BlockState {
  const Launch* launch = nullptr;
  Dim3 index;
  std::vector<Warp> warps;
  std::vector<std::byte> shared;
  std::array<Barrier, 16> barriers;
  AccessCounts* counts = nullptr;       ///< of this host thread, one per instruction
  const Allocation** recent = nullptr;  ///< the allocation that each instruction used last
  Checker* checker = nullptr;           ///< where the launch is checked
  Film* film = nullptr;                 ///< where this block is the one that is filmed
  std::uint64_t executed = 0;           ///< warp instructions, the block's clock
  std::uint64_t number = 0;             ///< of the block in its grid
};

/// Throws Fault: "KERNEL: block (x, y, z), thread (x, y, z), PLACE: what".
[[noreturn]] void fail(const Warp& warp, const Instruction& in, std::uint32_t lane,
                       std::string_view what, Detector detector = Detector::kStop);
/// What fail() throws.
Finding finding_of(const Warp& warp, const Instruction& in, std::uint32_t lane,
                   std::string_view what, Detector detector);
/// The block's thread that a lane is.
inline std::uint32_t thread_number(const Warp& warp, std::uint32_t lane) {
  return warp.index * kLanes + lane;
}

/// The counters of an instruction.
inline AccessCounts& counts_of(const Warp& warp, const Instruction& in) {
  const Launch& launch = *warp.block->launch;
  return warp.block->counts[&in - launch.program.code.data()];
}

}  // namespace switchyard::kernels::xray

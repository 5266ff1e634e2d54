#pragma once

#include <cstdint>
#include <string>

#include "kernels/xray/access.h"
#include "kernels/xray/memory_place.h"
#include "kernels/xray/shadow.h"

namespace switchyard::kernels::xray {

class Checker;

/// Follows values that were never written from where they are read to where they are used. Copying
/// one is no fault: structures are copied with their padding. So a load taints its register, moves
/// and stores pass the taint on, and whatever computes with it is the finding. An element counts as
/// never written if none of its bytes was. A shuffle from a lane that takes no part gives such a
/// value too.
class Undefined {
 public:
  explicit Undefined(const Launch& launch);
  /// Another block begins: nothing is in its shared memory.
  void start() { shared_.clear(); }
  WrittenMap& shared() { return shared_; }

  /// Sets access.undefined for loads; notes what stores write. Elements have in.bytes bytes.
  void access(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
              std::uint32_t lanes, Access& access);
  /// A register got a value in the active lanes; in those of `lanes` it was never written.
  static void taint(Warp& warp, const Instruction& in, Slot slot, std::uint32_t lanes,
                    const Access& access, std::uint32_t element);
  /// The lanes in which a register holds what was never written.
  static std::uint32_t lanes_of(const Warp& warp, Slot slot);
  /// An instruction is about to run while the warp has tainted registers.
  static void before(Warp& warp, const Instruction& in);
  /// A shuffle gives lane i what lane from[i] has.
  static void shuffled(Warp& warp, const Instruction& in, const std::uint32_t (&from)[kLanes]);
  /// The register gets a value in the active lanes that is tainted in `lanes` as `as` is.
  static void set(Warp& warp, Slot slot, std::uint32_t lanes, Taint as);

 private:
  bool access_whole(const Instruction& in, Space space, Use use, std::uint32_t bytes,
                    std::uint32_t lanes, const Access& access);
  WrittenMap* written(Space space, std::uint64_t address, std::uint32_t bytes, std::uint64_t& at);

  const Launch& launch_;
  WrittenMap shared_;
  const Allocation* recent_ = nullptr;
};

}  // namespace switchyard::kernels::xray

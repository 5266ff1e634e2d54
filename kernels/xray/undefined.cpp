#include "kernels/xray/undefined.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/xray/checker.h"
#include "kernels/xray/lanes.h"

namespace switchyard::kernels::xray {
namespace {

const Taint* find(const Warp& warp, Slot slot, std::uint32_t lanes) {
  for (const Taint& one : warp.taints) {
    if (one.slot == slot && (one.lanes & lanes) != 0) return &one;
  }
  return nullptr;
}

/// Notes that the active lanes compute with a tainted register, and forgets what its load gave:
/// one finding for the first use is enough.
void use(Warp& warp, const Instruction& in, const Taint taint) {
  Checker& checker = *warp.block->checker;
  const Program& program = warp.block->launch->program;
  std::erase_if(warp.taints, [&](const Taint& one) { return one.pc == taint.pc; });
  const bool by_shuffle = taint.bytes == 0;
  const Detector detector = by_shuffle ? Detector::kLaneLeft : Detector::kUninitialised;
  Event origin;
  origin.pc = taint.pc;
  if (checker.is_known(in, detector, &origin)) return;
  const auto lane = static_cast<std::uint32_t>(__builtin_ctz(taint.lanes & warp.active));
  const std::string place = program.place(program.code[taint.pc]);
  if (by_shuffle) {
    return checker.note(warp, in, lane, detector,
                        fmt::format("uses what the shuffle at {} took from lane {}, which takes "
                                    "no part in it",
                                    place, taint.address),
                        {});
  }
  const MemoryPlace at = place_of(*warp.block->launch, taint.space, taint.address, taint.bytes);
  checker.note(warp, in, lane, detector,
               fmt::format("uses {}, read at {}, which was never written", text(at), place), at);
}

/// The lanes of the active ones in which any, or for a copy all, of the registers read are tainted.
std::uint32_t tainted_in(const Warp& warp, const Slot* slots, std::uint32_t count, Taint& first) {
  std::uint32_t all = warp.active;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Taint* const found = find(warp, slots[i], warp.active);
    if (found == nullptr) return 0;
    first = *found;
    all &= Undefined::lanes_of(warp, slots[i]);
  }
  return count == 0 ? 0 : all;
}

void select(Warp& warp, const Instruction& in) {
  const std::uint32_t takes_first = warp.predicate(in.slot[3]);
  std::uint32_t lanes = 0;
  Taint as;
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    const std::uint32_t taken = warp.active & (i == 1 ? takes_first : ~takes_first);
    const Taint* const found = find(warp, in.slot[i], taken);
    if (found == nullptr) continue;
    as = *found;
    lanes |= Undefined::lanes_of(warp, in.slot[i]) & taken;
  }
  Undefined::set(warp, in.slot[0], lanes, as);
}

}  // namespace

Undefined::Undefined(const Launch& launch)
    : launch_(launch), shared_(launch.program.shared_bytes + launch.shape.dynamic_shared_bytes) {}

std::uint32_t Undefined::lanes_of(const Warp& warp, Slot slot) {
  std::uint32_t lanes = 0;
  for (const Taint& one : warp.taints) lanes |= one.slot == slot ? one.lanes : 0;
  return lanes;
}

void Undefined::set(Warp& warp, Slot slot, std::uint32_t lanes, Taint as) {
  if (slot == kNoSlot) return;
  bool is_empty = false;
  for (Taint& one : warp.taints) {
    if (one.slot != slot) continue;
    one.lanes &= ~warp.active;
    is_empty |= one.lanes == 0;
  }
  if (is_empty) std::erase_if(warp.taints, [](const Taint& one) { return one.lanes == 0; });
  if ((lanes & warp.active) == 0) return;
  as.slot = slot;
  as.lanes = lanes & warp.active;
  warp.taints.push_back(as);
}

void Undefined::taint(Warp& warp, const Instruction& in, Slot slot, std::uint32_t lanes,
                      const Access& access, std::uint32_t element) {
  if (lanes == 0 && warp.taints.empty()) return;
  Taint as;
  as.pc = static_cast<std::uint32_t>(&in - warp.block->launch->program.code.data());
  as.space = access.undefined_space;
  as.bytes = in.bytes;
  if (lanes != 0) {
    as.address = access.address[__builtin_ctz(lanes)] + std::uint64_t{element} * in.bytes;
  }
  set(warp, slot, lanes, as);
}

WrittenMap* Undefined::written(Space space, std::uint64_t address, std::uint32_t bytes,
                               std::uint64_t& at) {
  if (space == Space::kShared) {
    at = address;
    return &shared_;
  }
  if (recent_ == nullptr || !recent_->holds(address, bytes)) {
    recent_ = launch_.memory.find(address, bytes);
  }
  if (recent_ == nullptr) return nullptr;
  at = address - recent_->begin;
  return recent_->written.get();
}

/// Does what is to be done where all bytes that the lanes reach were written, or are by now, and
/// returns whether that is so.
bool Undefined::access_whole(const Instruction& in, Space space, Use use, std::uint32_t bytes,
                             std::uint32_t lanes, const Access& access) {
  if (in.kind == Kind::kAsyncCopy) return false;
  if (access.pattern == Pattern::kAny) {
    if (space != Space::kShared) return false;
    bool all = true;
    for_lanes(lanes, [&](std::uint32_t lane) {
      if (use == Use::kStore) shared_.set(access.address[lane], bytes, true);
      all = all && shared_.all_of_access(access.address[lane], bytes);
    });
    return all;
  }
  const std::uint32_t all = access.pattern == Pattern::kRow ? kLanes * bytes : bytes;
  std::uint64_t at = 0;
  WrittenMap* const map = written(space, access.address[0], all, at);
  if (map == nullptr) return recent_ != nullptr;
  if (use == Use::kLoad) return map->all(at, all);
  map->set_range(at, all, true);
  return true;
}

void Undefined::access(const Warp& warp, const Instruction& in, Space space, Use use,
                       std::uint32_t bytes, std::uint32_t lanes, Access& access) {
  if (space != Space::kShared && !launch_.memory.has_undefined()) return;
  const bool is_atomic = use == Use::kAtomic;
  const std::uint32_t size = is_atomic ? bytes : in.bytes;
  const bool is_plain_store = use == Use::kStore && in.data_flow == DataFlow::kAccess;
  const bool passes_taints = is_plain_store && !warp.taints.empty();
  if (!passes_taints && !is_atomic && access_whole(in, space, use, bytes, lanes, access)) return;
  for_lanes(lanes, [&](std::uint32_t lane) {
    std::uint64_t at = 0;
    WrittenMap* const map = written(space, access.address[lane], bytes, at);
    if (map == nullptr) return;
    if (use == Use::kStore) {
      if (in.kind != Kind::kAsyncCopy) map->set(at, bytes, true);
      if (!passes_taints) return;
      for (std::uint32_t i = 0; i < in.count; ++i) {
        const Slot slot = launch_.program.slots[in.extra + i];
        if ((lanes_of(warp, slot) >> lane & 1) != 0) map->set(at + i * size, size, false);
      }
      return;
    }
    for (std::uint32_t i = 0; i * size < bytes; ++i) {
      if (map->any(at + i * size, size)) continue;
      access.undefined[i] |= 1U << lane;
      access.undefined_space = space;
    }
    if (is_atomic) map->set(at, bytes, true);
  });
  if (!is_atomic || access.undefined[0] == 0) return;
  const auto lane = static_cast<std::uint32_t>(__builtin_ctz(access.undefined[0]));
  Checker& checker = *warp.block->checker;
  if (checker.is_known(in, Detector::kUninitialised)) return;
  const MemoryPlace place = place_of(launch_, space, access.address[lane], bytes);
  checker.note(warp, in, lane, Detector::kUninitialised,
               fmt::format("updates {}, which was never written", text(place)), place);
}

void Undefined::before(Warp& warp, const Instruction& in) {
  const Slot* const uses = warp.block->launch->program.uses.data() + in.uses;
  switch (in.data_flow) {
    case DataFlow::kExchange:
      return;
    case DataFlow::kCopy: {
      Taint as;
      const std::uint32_t lanes = tainted_in(warp, uses, in.reads, as);
      for (std::uint32_t i = 0; i < in.writes; ++i) set(warp, uses[in.reads + i], lanes, as);
      return;
    }
    case DataFlow::kSelect:
      return select(warp, in);
    case DataFlow::kAccess:
      if (const Taint* found = find(warp, in.slot[1], warp.active)) use(warp, in, *found);
      return;
    default:
      break;
  }
  for (std::uint32_t i = 0; i < in.reads; ++i) {
    if (const Taint* found = find(warp, uses[i], warp.active)) use(warp, in, *found);
  }
  for (std::uint32_t i = 0; i < in.writes; ++i) set(warp, uses[in.reads + i], 0, {});
}

void Undefined::shuffled(Warp& warp, const Instruction& in, const std::uint32_t (&from)[kLanes]) {
  std::uint32_t absent = 0, passed = 0;
  const std::uint32_t tainted = lanes_of(warp, in.slot[1]);
  const Taint* const source = find(warp, in.slot[1], kAllLanes);
  Taint as, missing;
  if (source != nullptr) as = *source;
  missing.pc = static_cast<std::uint32_t>(&in - warp.block->launch->program.code.data());
  for_lanes(warp.active, [&](std::uint32_t lane) {
    const std::uint32_t other = from[lane] & 31;
    if ((warp.active >> other & 1) == 0) {
      if (absent == 0) missing.address = other;
      absent |= 1U << lane;
    } else if ((tainted >> other & 1) != 0) {
      passed |= 1U << lane;
    }
  });
  if ((absent | passed) == 0 && warp.taints.empty()) return;
  if (absent != 0) return set(warp, in.slot[0], absent | passed, missing);
  set(warp, in.slot[0], passed, as);
}

}  // namespace switchyard::kernels::xray

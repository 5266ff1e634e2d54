#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernels/xray/barrier_option.h"
#include "kernels/xray/block_run.h"
#include "kernels/xray/lanes.h"

// What a block does at an instruction that decides where its lanes go on.

namespace switchyard::kernels::xray {

/// Returns whether the group still stands at one place, group.pc.
bool BlockRun::control(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes) {
  switch (in.flow) {
    case Flow::kBranch:
      return branch(warp, group, in, lanes);
    case Flow::kTable:
      return branch_by_table(warp, group, in);
    case Flow::kCollective:
      return collective(warp, group, in, lanes);
    case Flow::kBarrier:
      return arrive(warp, group, in, lanes);
    case Flow::kExit:
      check_exit(warp, in, lanes);
      warp.alive &= ~lanes;
      group.lanes &= ~lanes;
      group.pc = in.next;
      return group.lanes != 0;
    default:
      group.pc = in.next;
      return true;
  }
}

bool BlockRun::branch(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes) const {
  if (lanes == group.lanes || lanes == 0) {
    group.pc = lanes == 0 ? in.next : in.target;
    return true;
  }
  leave(warp, lanes, in.target);
  leave(warp, group.lanes & ~lanes, in.next);
  return false;
}

bool BlockRun::branch_by_table(Warp& warp, const Group& group, const Instruction& in) const {
  const std::uint32_t* index = warp.lanes<std::uint32_t>(in.slot[0]);
  for_lanes(group.lanes, [&](std::uint32_t lane) {
    if (index[lane] >= in.target) {
      fail(warp, in, lane,
           fmt::format("branches by entry {} of a table of {}", index[lane], in.target));
    }
    warp.pc[lane] = launch_.program.targets[in.extra + index[lane]];
  });
  return false;
}

/// The lanes go on together once all lanes of their mask that have not exited are here.
bool BlockRun::collective(Warp& warp, Group& group, const Instruction& in,
                          std::uint32_t lanes) const {
  if (lanes == 0) {
    group.pc = in.next;
    return true;
  }
  const std::uint32_t* masks = warp.lanes<std::uint32_t>(in.slot[4]);
  std::uint32_t named_by_all = kAllLanes;
  for (std::uint32_t i = 0; i < kLanes; ++i) named_by_all &= masks[i];
  if (lanes == kAllLanes && named_by_all == kAllLanes) {  // the usual case: nobody is missing
    run_instruction(warp, in, lanes);
    if (checker_ && in.kind == Kind::kBarrier) checker_->order().warp_barrier(warp.index);
    group.pc = in.next;
    return true;
  }
  const std::uint32_t mask = masks[std::countr_zero(lanes)];
  std::uint32_t here = 0;
  for_lanes(lanes, [&](std::uint32_t lane) {
    if ((masks[lane] >> lane & 1) == 0) {
      fail(warp, in, lane,
           fmt::format("its mask 0x{:08x} does not name the thread itself", masks[lane]),
           Detector::kMask);
    }
    here |= (masks[lane] == mask ? 1U : 0U) << lane;
  });
  const std::uint32_t waiting = [&] {
    std::uint32_t at = 0;
    for_lanes(warp.at_collective,
              [&](std::uint32_t lane) { at |= (warp.pc[lane] == group.pc ? 1U : 0U) << lane; });
    return at;
  }();
  check_masks(warp, in, lanes | waiting);
  const std::uint32_t arrived = (here | waiting) & mask;
  const std::uint32_t others = group.lanes & ~here;
  if ((mask & warp.alive & ~arrived) != 0) {
    leave(warp, here, group.pc);
    warp.at_collective |= here;
  } else {
    run_instruction(warp, in, arrived);
    if (checker_ && in.kind == Kind::kBarrier) checker_->order().warp_barrier(warp.index);
    warp.at_collective &= ~arrived;
    if (others == 0 && arrived == group.lanes) {
      group.pc = in.next;
      return true;
    }
    leave(warp, arrived, in.next);
  }
  leave(warp, others & lanes, group.pc);  // with another mask: their turn comes next
  leave(warp, others & ~lanes, in.next);  // whom the guard lets pass by
  return false;
}

/// Lanes that meet at a collective must name the same lanes, or none of each other's: whoever is
/// named twice can be with one of them alone.
void BlockRun::check_masks(const Warp& warp, const Instruction& in, std::uint32_t lanes) const {
  const std::uint32_t* masks = warp.lanes<std::uint32_t>(in.slot[4]);
  const auto first = static_cast<std::uint32_t>(std::countr_zero(lanes));
  std::uint32_t same = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) same |= (masks[i] == masks[first] ? 1U : 0U) << i;
  if ((lanes & ~same) == 0) return;
  for_lanes(lanes, [&](std::uint32_t lane) {
    for_lanes(lanes, [&](std::uint32_t other) {
      const std::uint32_t both = masks[lane] & masks[other] & warp.alive;
      if (masks[lane] == masks[other] || both == 0) return;
      fail(warp, in, lane,
           fmt::format("its mask is 0x{:08x}, that of lane {} at the same place 0x{:08x}: both "
                       "name lane {}",
                       masks[lane], other, masks[other], std::countr_zero(both)),
           Detector::kMask);
    });
  });
}

/// Lets lanes go on whose mask names only lanes that wait or have exited by now: at one
/// instruction, or all at some bar.warp.sync, which need not be the same one. Returns whether any
/// can.
bool BlockRun::wake_collectives(Warp& warp) const {
  std::uint32_t ready = 0;
  for_lanes(warp.at_collective, [&](std::uint32_t lane) {
    if ((ready >> lane & 1) != 0) return;
    const Instruction& in = launch_.program.code[warp.pc[lane]];
    const std::uint32_t needed = warp.lanes<std::uint32_t>(in.slot[4])[lane] & warp.alive;
    bool all = true;
    bool all_same = true;
    for_lanes(needed, [&](std::uint32_t other) {
      const bool waits = (warp.at_collective >> other & 1) != 0;
      all = all && waits && launch_.program.code[warp.pc[other]].kind == Kind::kBarrier;
      all_same = all_same && waits && warp.pc[other] == warp.pc[lane];
    });
    if (all && in.kind == Kind::kBarrier && !all_same) {
      for_lanes(needed & ~ready, [&](std::uint32_t other) {
        warp.pc[other] = launch_.program.code[warp.pc[other]].next;
      });
      ready |= needed;
      if (checker_) checker_->order().warp_barrier(warp.index);
    } else if (all_same) {
      ready |= needed;
    }
  });
  warp.at_collective &= ~ready;
  return ready != 0;
}

bool BlockRun::arrive(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes) {
  if (lanes == 0) {
    group.pc = in.next;
    return true;
  }
  const auto first = static_cast<std::uint32_t>(std::countr_zero(lanes));
  const std::uint32_t number = warp.lanes<std::uint32_t>(in.slot[1])[first];
  if (number >= block_.barriers.size()) {
    fail(warp, in, first, fmt::format("there are 16 barriers, this is number {}", number));
  }
  const bool waits_for_warp = decisions_ || checker_;
  if (waits_for_warp && warp.parked == 0 && !group.is_gathered) met_[warp.index] = warp.alive;
  if (waits_for_warp && in.count == kAlignedBarrier && lanes != warp.alive && !group.is_gathered) {
    leave(warp, lanes, group.pc);
    leave(warp, group.lanes & ~lanes, in.next);
    warp.parked |= lanes;
    return false;
  }
  // A schedule that splits warps may bring lanes here before others of theirs have left.
  check_arrival(warp, in, lanes, decisions_ ? warp.alive : met_[warp.index]);
  if (checker_) checker_->order().arrive(warp.index, number);
  Barrier& barrier = block_.barriers[number];
  const auto count = static_cast<std::uint32_t>(std::popcount(lanes));
  const bool is_counted = in.slot[2] != kNoSlot;
  if (is_counted) {
    barrier.expected = warp.lanes<std::uint32_t>(in.slot[2])[first];
    if (barrier.expected == 0 || barrier.expected % kLanes != 0) {
      fail(warp, in, first,
           fmt::format("a barrier of {} threads, which is no multiple of 32", barrier.expected));
    }
  }
  // Where threads are counted, a warp counts whole, even the last one of a block.
  barrier.arrived += is_counted && lanes == warp.alive ? kLanes : count;
  const auto option = static_cast<BarrierOption>(in.option);
  if (in.slot[3] != kNoSlot) {
    barrier.votes += static_cast<std::uint32_t>(std::popcount(warp.predicate(in.slot[3]) & lanes));
    barrier.voters += count;
  }
  leave(warp, group.lanes, in.next);
  if (option != BarrierOption::kArrive) {
    warp.at_barrier |= lanes;
    for_lanes(lanes, [&](std::uint32_t lane) {
      warp.waits_at[lane] = group.pc;
      warp.barrier[lane] = static_cast<std::uint8_t>(number);
    });
  }
  release(number);
  return false;
}

/// A bar.sync is for whole warps: what lanes of a parted warp do at one is not defined.
void BlockRun::check_arrival(const Warp& warp, const Instruction& in, std::uint32_t lanes,
                             std::uint32_t expected) const {
  if (!checker_ || in.count != kAlignedBarrier || lanes == expected) return;
  if (wait_at_copies(warp, in, expected & ~lanes)) return;
  if (checker_->is_known(in, Detector::kDivergentBarrier)) return;
  checker_->note(warp, in, static_cast<std::uint32_t>(std::countr_zero(lanes)),
                 Detector::kDivergentBarrier,
                 fmt::format("a divergent barrier: {} of the warp's {} threads are here together",
                             std::popcount(lanes), std::popcount(expected)),
                 {});
}

/// Whether lanes wait at copies that the compiler made of the same barrier, for each way to it one:
/// the machine's own compiler makes one of them again.
bool BlockRun::wait_at_copies(const Warp& warp, const Instruction& in, std::uint32_t lanes) const {
  const Module& module = *launch_.program.module;
  const Source& here = module.shown(in.source);
  bool all = here.line != 0;
  for_lanes(lanes, [&](std::uint32_t lane) {
    const bool arrived = (warp.at_barrier >> lane & 1) != 0;
    if (!arrived && (warp.parked >> lane & 1) == 0) {
      all = false;
      return;
    }
    const std::uint32_t pc = arrived ? warp.waits_at[lane] : warp.pc[lane];
    const Source& there = module.shown(launch_.program.code[pc].source);
    all = all && there.file == here.file && there.line == here.line;
  });
  return all;
}

void BlockRun::check_exit(const Warp& warp, const Instruction& in, std::uint32_t lanes) const {
  if (!checker_) return;
  for (const PendingCopy& copy : warp.copies) {
    if ((copy.lanes & lanes) == 0 || checker_->is_known(in, Detector::kAsyncCopy)) continue;
    checker_->note(warp, in, static_cast<std::uint32_t>(std::countr_zero(copy.lanes & lanes)),
                   Detector::kAsyncCopy,
                   "leaves while a cp.async of its own has not been waited for", {});
  }
}

/// Opens a barrier that all its threads have reached. Returns whether it did.
bool BlockRun::release(std::uint32_t number) {
  Barrier& barrier = block_.barriers[number];
  const std::uint32_t expected = barrier.expected != 0 ? barrier.expected : alive_threads();
  if (barrier.arrived == 0 || barrier.arrived < expected) return false;
  for (Warp& warp : block_.warps) {
    bool passes = false;
    for_lanes(warp.at_barrier, [&](std::uint32_t lane) {
      if (warp.barrier[lane] != number) return;
      passes = true;
      warp.at_barrier &= ~(1U << lane);
      if (barrier.voters != 0) write_votes(warp, lane, barrier);
    });
    if (passes && checker_) checker_->order().pass(warp.index, number);
  }
  if (checker_) checker_->order().open(number);
  barrier = {};
  return true;
}

bool BlockRun::release_all() {
  bool any = false;
  for (std::uint32_t i = 0; i < block_.barriers.size(); ++i) any |= release(i);
  return any;
}

void BlockRun::write_votes(Warp& warp, std::uint32_t lane, const Barrier& barrier) const {
  const Instruction& in = launch_.program.code[warp.waits_at[lane]];
  warp.active = 1U << lane;
  switch (static_cast<BarrierOption>(in.option)) {
    case BarrierOption::kCount:
      if (in.slot[0] != kNoSlot) warp.lanes<std::uint32_t>(in.slot[0])[lane] = barrier.votes;
      break;
    case BarrierOption::kAnd:
      warp.store_predicate(in.slot[0], barrier.votes == barrier.voters ? kAllLanes : 0);
      break;
    case BarrierOption::kOr:
      warp.store_predicate(in.slot[0], barrier.votes != 0 ? kAllLanes : 0);
      break;
    default:
      break;
  }
}

}  // namespace switchyard::kernels::xray

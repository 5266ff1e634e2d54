#include "kernels/xray/block_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/xray/specials.h"

namespace switchyard::kernels::xray {
namespace {

constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
/// Loads and exchanges that lanes may repeat while others of their warp could go on.
constexpr std::uint32_t kSpins = 64;
/// For how many instructions lanes that spin stand back.
constexpr std::uint64_t kStandBack = 1024;
constexpr std::size_t kCacheLine = 64;

std::byte* aligned(std::vector<std::byte>& memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return memory.data() + (kCacheLine - address % kCacheLine) % kCacheLine;
}

Dim3 thread_of(const Warp& warp, std::uint32_t lane) {
  const Dim3& extent = warp.block->launch->shape.block;
  return index_in(extent, warp.index * kLanes + lane);
}

std::string text(const Dim3& d) { return fmt::format("({}, {}, {})", d.x, d.y, d.z); }

}  // namespace

Finding finding_of(const Warp& warp, const Instruction& in, std::uint32_t lane,
                   std::string_view what, Detector detector) {
  const Program& program = warp.block->launch->program;
  const Source& source = program.module->shown(in.source);
  const std::string& file = program.module->source_file(source.file);
  Finding finding;
  finding.detector = detector;
  finding.kernel = program.kernel->name;
  finding.at = {warp.block->index, thread_of(warp, lane), program.place(in)};
  finding.file = file.empty() ? program.module->file() : file;
  finding.line = file.empty() ? in.line : source.line;
  finding.what = what;
  return finding;
}

void fail(const Warp& warp, const Instruction& in, std::uint32_t lane, std::string_view what,
          Detector detector) {
  throw Fault(finding_of(warp, in, lane, what, detector));
}

BlockRun::BlockRun(const Launch& launch, Progress& progress, const Schedule& schedule)
    : launch_(launch), progress_(progress), schedule_(schedule) {
  const Program& program = launch.program;
  const auto threads = static_cast<std::size_t>(launch.shape.block.count());
  const std::size_t warps = (threads + kLanes - 1) / kLanes;
  const std::size_t stride = (program.register_bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  counts_.resize(program.code.size());
  recent_.resize(program.code.size(), nullptr);
  registers_.resize(stride * warps + kCacheLine);
  local_.resize(program.local_bytes * kLanes * warps);
  block_.launch = &launch;
  block_.counts = counts_.data();
  block_.recent = recent_.data();
  block_.shared.resize(program.shared_bytes + launch.shape.dynamic_shared_bytes);
  block_.warps.resize(warps);
  met_.resize(warps);
  if (launch.checked != nullptr) {
    checker_ = std::make_unique<Checker>(launch, *launch.checked);
    block_.checker = checker_.get();
  }
  std::ranges::copy_if(program.specials, std::back_inserter(block_specials_), is_of_block);
  for (std::size_t i = 0; i < warps; ++i) {
    Warp& warp = block_.warps[i];
    warp.base[0] = aligned(registers_) + stride * i;
    // No handler writes to a constant: destinations are registers.
    warp.base[1] = const_cast<std::byte*>(program.constants.data());
    warp.block = &block_;
    warp.local = local_.data() + program.local_bytes * kLanes * i;
    warp.index = static_cast<std::uint32_t>(i);
    for (const Special& special : program.specials) {
      if (!is_of_block(special)) write_special(warp, special);
    }
  }
  first_registers_ = registers_;
}

void BlockRun::start(std::uint64_t block) {
  const auto threads = static_cast<std::uint32_t>(launch_.shape.block.count());
  number_ = block_.number = block;
  block_.index = index_in(launch_.shape.grid, block);
  Film* const film = launch_.film;
  block_.film = film != nullptr && film->options().block == block_.index ? film : nullptr;
  block_.barriers = {};
  if (checker_) checker_->start(block);
  if (schedule_.order != Order::kTogether) decisions_.emplace(schedule_, block);
  std::copy(first_registers_.begin(), first_registers_.end(), registers_.begin());
  std::fill(block_.shared.begin(), block_.shared.end(), std::byte{0});
  std::fill(local_.begin(), local_.end(), std::byte{0});
  for (Warp& warp : block_.warps) {
    const std::uint32_t rest = threads - warp.index * kLanes;
    warp.alive = rest >= kLanes ? kAllLanes : (1U << rest) - 1;
    warp.at_barrier = warp.at_collective = warp.parked = warp.deferred = warp.carry = 0;
    warp.pc.fill(launch_.program.entry);
    warp.copies.clear();
    warp.taints.clear();
    warp.wraps.clear();
    warp.committed = {};
    for (const Special& special : block_specials_) write_special(warp, special);
  }
}

bool BlockRun::run_round() {
  bool moved = false, alive = false;
  const std::size_t count = block_.warps.size();
  const bool is_random = decisions_ && decisions_->is_random();
  const std::size_t shift = is_random ? decisions_->below(static_cast<std::uint32_t>(count)) : 0;
  const bool is_backwards = decisions_ && (!is_random || decisions_->below(2) == 0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (i + shift) % count;
    Warp& warp = block_.warps[is_backwards ? count - 1 - at : at];
    if (warp.alive != 0) moved |= run_warp(warp);
  }
  for (const Warp& warp : block_.warps) alive |= warp.alive != 0;
  if (!alive || progress_.stops(number_)) return true;
  moved |= release_all();
  if (!moved) stop(fmt::format("block {} cannot go on: {}", text(block_.index), positions()));
  return false;
}

/// Chooses the lanes that run next. False where none can.
bool BlockRun::regroup(Warp& warp, Group& group) {
  if (decisions_) return regroup_split(warp, group);
  std::uint32_t ready = warp.alive & ~warp.at_barrier & ~warp.at_collective & ~warp.parked;
  if ((ready & ~warp.deferred) == 0) warp.deferred = 0;
  ready &= ~warp.deferred;
  const bool gathers = ready == 0 && !wake_collectives(warp);
  if (gathers) {
    ready = std::exchange(warp.parked, 0);
  } else if (ready == 0) {
    ready = warp.alive & ~warp.at_barrier & ~warp.at_collective & ~warp.parked;
  }
  if (ready == 0) return false;
  std::uint32_t lowest = kNowhere;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const std::uint32_t pc = (ready >> i & 1) != 0 ? warp.pc[i] : kNowhere;
    lowest = std::min(lowest, pc);
  }
  group = {0, lowest, kNowhere, false, false};
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const std::uint32_t pc = (ready >> i & 1) != 0 ? warp.pc[i] : kNowhere;
    group.lanes |= (pc == lowest ? 1U : 0U) << i;
    group.meet = std::min(group.meet, pc == lowest ? kNowhere : pc);
  }
  group.has_others = group.meet != kNowhere;
  group.is_gathered = gathers;
  if (gathers) warp.parked = ready & ~group.lanes;
  return true;
}

void BlockRun::leave(Warp& warp, std::uint32_t lanes, std::uint32_t pc) {
  for (std::uint32_t i = 0; i < kLanes; ++i) warp.pc[i] = (lanes >> i & 1) != 0 ? pc : warp.pc[i];
}

/// Runs a warp until all its lanes wait or have left, or its slice is over. Returns whether it did
/// anything.
bool BlockRun::run_warp(Warp& warp) {
  const Instruction* const code = launch_.program.code.data();
  Group group;
  if (!regroup(warp, group)) return false;
  std::uint64_t slice = next_slice(), left = slice;
  std::uint32_t spins = 0;
  for (;;) {
    const Instruction& in = code[group.pc];
    std::uint32_t lanes = group.lanes;
    if (in.guard != kNoSlot) lanes &= warp.predicate(in.guard);
    AccessCounts& counts = counts_[group.pc];
    ++counts.warps;
    counts.lanes += static_cast<std::uint64_t>(std::popcount(lanes));
    ++block_.executed;
    bool together = true;  // whether the group still stands at one place
    if (in.flow == Flow::kNext) {
      if (lanes != 0) {
        run_instruction(warp, in, lanes);
        if (in.waits && group.has_others && ++spins > kSpins) {
          spins = 0;
          warp.deferred |= group.lanes;
          leave(warp, group.lanes, in.next);
          together = false;
          spend(slice - left);
          left = slice = kStandBack;
        }
      }
      group.pc = in.next;
    } else {
      together = control(warp, group, in, lanes);
    }
    if (--left == 0) {
      if (together) leave(warp, group.lanes, group.pc);
      spend(slice);
      if (warp.deferred == 0) return true;
      warp.deferred = 0;
      if (decisions_) return true;
      left = slice = next_slice();
      together = false;
    } else if (together && group.pc >= group.meet) {
      leave(warp, group.lanes, group.pc);
      together = false;
    }
    if (!together && !regroup(warp, group)) {
      spend(slice - left);
      return true;
    }
  }
}

void BlockRun::stop(std::string what) const {
  Finding finding;
  finding.detector = Detector::kNoProgress;
  finding.kernel = launch_.program.kernel->name;
  finding.at.block = block_.index;
  finding.what = std::move(what);
  throw Fault(std::move(finding));
}

void BlockRun::spend(std::uint64_t instructions) {
  const std::uint64_t before = progress_.executed.fetch_add(instructions);
  if (progress_.stops(number_)) throw Error("a block before this one failed");
  if (before + instructions <= progress_.limit) return;
  stop(fmt::format("the limit of {} warp instructions is used up in block {}: {}", progress_.limit,
                   text(block_.index), positions()));
}

std::uint32_t BlockRun::alive_threads() const {
  std::uint32_t threads = 0;
  for (const Warp& warp : block_.warps) {
    threads += static_cast<std::uint32_t>(std::popcount(warp.alive));
  }
  return threads;
}

/// Says where the threads of the block stand: "32 threads wait at a.cu:12 (a.ptx:40), 32 exited".
std::string BlockRun::positions() const {
  std::map<std::pair<std::string, std::string>, int> threads;
  int exited = 0;
  for (const Warp& warp : block_.warps) {
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      const std::uint32_t bit = 1U << lane;
      if (warp.index * kLanes + lane >= launch_.shape.block.count()) continue;
      if ((warp.alive & bit) == 0) {
        ++exited;
        continue;
      }
      const bool at_barrier = (warp.at_barrier & bit) != 0;
      const std::uint32_t pc = at_barrier ? warp.waits_at[lane] : warp.pc[lane];
      const char* state = at_barrier                        ? "wait at the barrier"
                          : (warp.at_collective & bit) != 0 ? "wait for lanes of their warp at"
                                                            : "run at";
      ++threads[{state, launch_.program.place(launch_.program.code[pc])}];
    }
  }
  std::string all;
  for (const auto& [where, count] : threads) {
    all += fmt::format("{}{} threads {} {}", all.empty() ? "" : ", ", count, where.first,
                       where.second);
  }
  if (exited > 0) all += fmt::format("{}{} have left", all.empty() ? "" : ", ", exited);
  return all;
}

}  // namespace switchyard::kernels::xray

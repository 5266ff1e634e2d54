#include "kernels/simt/block_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

// The one dynamic shared array of the dialect (SWITCHYARD_DYNAMIC_SHARED). Global, because `extern
// __shared__` inside a kernel declares it at namespace scope of the enclosing function's linkage.
alignas(128) thread_local unsigned char switchyard_dynamic_shared
    [switchyard::kernels::simt::kDynamicSharedBytes];

namespace switchyard::kernels::simt {

thread_local const ThreadIdentity* current_thread = nullptr;
thread_local BlockIdentity current_block;

namespace {

// Atomics that one thread may execute before others of its block get a turn.
constexpr unsigned kAtomicsPerTurn = 1024;
// Uninitialised dynamic shared memory reads as NaN, so that using it shows.
constexpr int kPoison = 0xFF;

std::string text(const Dim3& d) { return fmt::format("({}, {}, {})", d.x, d.y, d.z); }

std::string text(Location location) {
  const std::string_view path = location.file_name();
  return fmt::format("{}:{}:{}", path.substr(path.find_last_of('/') + 1), location.line(),
                     location.column());
}

bool same_place(Location a, Location b) {
  return a.line() == b.line() && a.column() == b.column() &&
         std::string_view(a.file_name()) == b.file_name();
}

Dim3 unravel(std::uint64_t index, const Dim3& extent) {
  return {static_cast<unsigned>(index % extent.x),
          static_cast<unsigned>(index / extent.x % extent.y),
          static_cast<unsigned>(index / extent.x / extent.y)};
}

unsigned lowest(unsigned set) { return static_cast<unsigned>(std::countr_zero(set)); }

}  // namespace

BlockRunner::BlockRunner() = default;
BlockRunner::~BlockRunner() = default;

void BlockRunner::begin_launch(const Simt& simt, const char* kernel, const LaunchShape& shape,
                               const std::function<void()>& thread_body) {
  kernel_ = kernel;
  hang_seconds_ = simt.hang_seconds;
  body_ = &thread_body;
  shape_ = shape;
  const auto threads = static_cast<unsigned>(shape.block.count());
  lanes_.assign(threads, Lane{});
  for (unsigned i = 0; i < threads; ++i) {
    lanes_[i].identity = {.thread = unravel(i, shape.block), .lane = i % kWarpSize};
  }
  warps_.assign((threads + kWarpSize - 1) / kWarpSize, Warp{});
  for (unsigned i = 0; i < threads; ++i) warps_[i / kWarpSize].exists |= 1U << (i % kWarpSize);
  current_block.block_extent = shape.block;
  current_block.grid_extent = shape.grid;
}

void BlockRunner::run_block(std::uint64_t block) {
  current_block.block = unravel(block, shape_.grid);
  for (Warp& warp : warps_) warp = {.exists = warp.exists, .unstarted = warp.exists};
  for (Lane& each : lanes_) each.copies.forget();
  std::memset(switchyard_dynamic_shared, kPoison, shape_.dynamic_shared_bytes);
  failure_ = nullptr;
  last_progress_ = std::chrono::steady_clock::now();
  do {
    progressed_ = false;
    bool paused = false;
    for (unsigned w = 0; w < warps_.size(); ++w) {
      warps_[w].ready |= std::exchange(warps_[w].paused, 0U);
      if ((warps_[w].ready | warps_[w].unstarted) != 0) run_warp(w);
      if (failure_) {
        // Fibers of this block are abandoned where they stand: their frames own nothing.
        fibers_.clear();
        free_.clear();
        std::rethrow_exception(failure_);
      }
      paused |= warps_[w].paused != 0;
    }
    if (paused) {
      check_not_hanging();
      continue;
    }
    for (unsigned w = 0; w < warps_.size(); ++w) check_not_stuck(w);
    if (!open_barrier()) return;
  } while (true);
}

void BlockRunner::run_warp(unsigned warp) {
  warp_ = warp;
  Fiber::switch_to(main_, next_fiber());
}

/// The fiber that should run next in this warp; the scheduler's own if no lane can.
Fiber& BlockRunner::next_fiber() {
  Warp& warp = warps_[warp_];
  if (failure_) return main_;
  if (warp.unstarted != 0) return free_fiber();
  if (warp.ready == 0) return main_;
  const unsigned next = lowest(warp.ready);
  warp.ready &= ~(1U << next);
  make_current(next);
  return *lane(warp_, next).fiber;
}

Fiber& BlockRunner::free_fiber() {
  if (free_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&BlockRunner::fiber_entry, this));
    free_.push_back(fibers_.back().get());
  }
  Fiber* fiber = free_.back();
  free_.pop_back();
  running_ = fiber;
  return *fiber;
}

void BlockRunner::make_current(unsigned index) {
  lane_ = index;
  Lane& current = lane(warp_, index);
  current_thread = &current.identity;
  running_ = current.fiber;
  atomics_ = 0;
}

void BlockRunner::fiber_entry(void* runner) {
  auto* self = static_cast<BlockRunner*>(runner);
  self->run_lanes(*self->running_);
}

/// Runs lanes of the current warp that have not started, then steps aside; every fiber does this
/// for ever.
void BlockRunner::run_lanes(Fiber& self) {
  while (true) {
    while (!failure_ && warps_[warp_].unstarted != 0) {
      const unsigned index = lowest(warps_[warp_].unstarted);
      warps_[warp_].unstarted &= ~(1U << index);
      lane(warp_, index).fiber = &self;
      make_current(index);
      try {
        (*body_)();
      } catch (...) {
        fail(std::current_exception());
      }
      // The lane may have been switched away and back meanwhile; warp_ and lane_ are its own again.
      warps_[warp_].done |= 1U << lane_;
      progressed_ = true;
    }
    free_.push_back(&self);
    Fiber::switch_to(self, next_fiber());
  }
}

void BlockRunner::suspend() {
  Fiber& mine = *running_;
  Fiber::switch_to(mine, next_fiber());
}

void BlockRunner::fail(std::exception_ptr failure) {
  if (!failure_) failure_ = std::move(failure);
}

KernelError BlockRunner::error(const std::string& what, Location location) const {
  return KernelError(fmt::format("[{}] block {}: {} at {}", kernel_, text(current_block.block),
                                 what, text(location)));
}

void BlockRunner::fail_here(const std::string& what, Location location) {
  throw error(what, location);
}

BarrierVote BlockRunner::barrier(bool predicate, Location location) {
  Lane& me = lane(warp_, lane_);
  me.location = location;
  me.predicate = predicate;
  warps_[warp_].at_barrier |= 1U << lane_;
  suspend();
  return vote_;
}

void BlockRunner::collective(unsigned mask, Combine combine, void* payload, Location location) {
  Warp& warp = warps_[warp_];
  const unsigned bit = 1U << lane_;
  if ((mask & bit) == 0) {
    fail_here(fmt::format("thread {} is not in the mask {:#010x} of its own warp collective",
                          text(current_thread->thread), mask),
              location);
  }
  if (const unsigned absent = mask & (~warp.exists | warp.done); absent != 0) {
    fail_here(fmt::format("a warp collective of thread {} names absent lane {} (mask {:#010x})",
                          text(current_thread->thread), lowest(absent), mask),
              location);
  }
  Lane& me = lane(warp_, lane_);
  me.location = location;
  me.combine = combine;
  me.mask = mask;
  me.payload = payload;
  const unsigned others = mask & ~bit;
  bool complete = (warp.in_collective & others) == others;
  for (unsigned rest = complete ? others : 0; rest != 0; rest &= rest - 1) {
    const Lane& other = lane(warp_, lowest(rest));
    complete = complete && other.combine == combine && other.mask == mask;
  }
  if (!complete) {
    warp.in_collective |= bit;
    suspend();
    return;
  }
  void* payloads[kWarpSize] = {};
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    payloads[lowest(rest)] = lane(warp_, lowest(rest)).payload;
  }
  combine(payloads, mask);
  warp.in_collective &= ~others;
  warp.ready |= others;
  progressed_ = true;
}

unsigned BlockRunner::active_lanes() const { return warps_[warp_].exists & ~warps_[warp_].done; }

void BlockRunner::atomic_pause(Location location) {
  if (++atomics_ < kAtomicsPerTurn) return;
  lane(warp_, lane_).location = location;
  warps_[warp_].paused |= 1U << lane_;
  suspend();
}

void BlockRunner::check_not_hanging() {
  const auto now = std::chrono::steady_clock::now();
  if (progressed_) last_progress_ = now;
  if (std::chrono::duration<double>(now - last_progress_).count() < hang_seconds_) return;
  for (unsigned w = 0; w < warps_.size(); ++w) {
    if (warps_[w].paused == 0) continue;
    const Lane& waiting = lane(w, lowest(warps_[w].paused));
    fibers_.clear();
    free_.clear();
    throw error(
        fmt::format("thread {} waits without end on an atomic", text(waiting.identity.thread)),
        waiting.location);
  }
}

/// Lanes that still wait for a collective when their warp can do nothing else will wait for ever.
void BlockRunner::check_not_stuck(unsigned w) {
  const Warp& warp = warps_[w];
  if (warp.in_collective == 0) return;
  const Lane& waiting = lane(w, lowest(warp.in_collective));
  const unsigned missing = waiting.mask & ~warp.in_collective;
  std::string why = "lanes that it names wait in another collective";
  if ((missing & warp.done) != 0) {
    why = fmt::format("absent lane {}, which has returned", lowest(missing & warp.done));
  } else if ((missing & warp.at_barrier) != 0) {
    const Lane& other = lane(w, lowest(missing & warp.at_barrier));
    why = fmt::format("lane {}, which waits at the barrier at {}", other.identity.lane,
                      text(other.location));
  }
  fibers_.clear();
  free_.clear();
  throw error(
      fmt::format("deadlock: the warp collective of thread {} (mask {:#010x}) waits for {},",
                  text(waiting.identity.thread), waiting.mask, why),
      waiting.location);
}

bool BlockRunner::open_barrier() {
  const Lane* first = nullptr;
  const Lane* returned = nullptr;
  vote_ = {.count = 0, .threads = static_cast<int>(lanes_.size())};
  std::string problem;
  for (std::size_t i = 0; i < lanes_.size() && problem.empty(); ++i) {
    const Lane& candidate = lanes_[i];
    const Warp& warp = warps_[i / kWarpSize];
    if ((warp.done >> (i % kWarpSize) & 1U) != 0) {
      returned = &candidate;
    } else if (first == nullptr) {
      first = &candidate;
    } else if (!same_place(first->location, candidate.location)) {
      problem = fmt::format("divergent barrier: thread {} waits at {}, thread {}",
                            text(candidate.identity.thread), text(candidate.location),
                            text(first->identity.thread));
    }
    vote_.count += candidate.predicate ? 1 : 0;
  }
  if (first == nullptr) return false;
  if (problem.empty() && returned != nullptr) {
    problem = fmt::format("thread {} returned without reaching the barrier",
                          text(returned->identity.thread));
  }
  if (!problem.empty()) {
    fibers_.clear();
    free_.clear();
    throw error(problem, first->location);
  }
  for (Warp& warp : warps_) warp.ready |= std::exchange(warp.at_barrier, 0U);
  return true;
}

}  // namespace switchyard::kernels::simt

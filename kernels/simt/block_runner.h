#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/simt/async_copies.h"
#include "kernels/simt/fiber.h"
#include "kernels/simt/run_grid.h"

namespace switchyard::kernels::simt {

/// Runs blocks of one launch on the calling host thread.
///
/// Every CUDA thread ("lane" of its warp) runs on a fiber. A fiber runs lanes of the current warp
/// one after the other; a lane that has to wait keeps the fiber, and another one carries on. So
/// threads that never wait share one stack without a single switch. A warp runs until all its lanes
/// have returned or wait at a block barrier; then the next warp runs; when all are stuck the
/// barrier opens, or the launch fails.
class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  void begin_launch(const Simt& simt, const char* kernel, const LaunchShape& shape,
                    const std::function<void()>& thread_body);
  /// Runs block number `block` (x fastest). Throws what the block failed with; the runner stays
  /// usable.
  void run_block(std::uint64_t block);

  // ---- called on fibers
  BarrierVote barrier(bool predicate, Location location);
  void collective(unsigned mask, Combine combine, void* payload, Location location);
  unsigned active_lanes() const;
  void atomic_pause(Location location);
  AsyncCopies& async_copies() { return lane(warp_, lane_).copies; }

 private:
  struct Lane {
    ThreadIdentity identity;
    Fiber* fiber = nullptr;  // while running or waiting
    Location location;       // where it waits
    Combine combine = nullptr;
    unsigned mask = 0;
    void* payload = nullptr;
    bool predicate = false;
    AsyncCopies copies;
  };
  /// Bit i is lane i. Each existing lane is in exactly one of the sets below `exists`, or is
  /// running.
  struct Warp {
    unsigned exists = 0;
    unsigned unstarted = 0;
    unsigned ready = 0;
    unsigned paused = 0;
    unsigned in_collective = 0;
    unsigned at_barrier = 0;
    unsigned done = 0;
  };

  static void fiber_entry(void* runner);
  void run_lanes(Fiber& self);
  void run_warp(unsigned warp);
  Fiber& next_fiber();
  Fiber& free_fiber();
  void suspend();
  void make_current(unsigned lane);
  [[noreturn]] void fail_here(const std::string& what, Location location);
  void fail(std::exception_ptr failure);
  void check_not_stuck(unsigned warp);
  /// Opens the barrier if every thread is there. False when all threads have returned.
  bool open_barrier();
  /// After a round in which lanes only paused at atomics: fails when that has lasted too long.
  void check_not_hanging();
  Lane& lane(unsigned warp, unsigned lane) { return lanes_[warp * kWarpSize + lane]; }
  KernelError error(const std::string& what, Location location) const;

  const char* kernel_ = "";
  const std::function<void()>* body_ = nullptr;
  LaunchShape shape_;
  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  unsigned warp_ = 0;         // running warp
  unsigned lane_ = 0;         // running lane of it
  Fiber* running_ = nullptr;  // fiber it runs on
  Fiber main_;                // the host thread's own stack
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_;
  BarrierVote vote_;
  std::exception_ptr failure_;
  unsigned atomics_ = 0;  // since the running lane was last switched in
  double hang_seconds_ = 0;
  std::chrono::steady_clock::time_point last_progress_;
  bool progressed_ = false;
};

}  // namespace switchyard::kernels::simt

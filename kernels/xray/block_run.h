#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/xray/checker.h"
#include "kernels/xray/schedule.h"
#include "kernels/xray/warp.h"
#include "kernels/xray/wrap.h"

namespace switchyard::kernels::xray {

/// What the host threads that run one launch share.
struct Progress {
  std::atomic<std::uint64_t> executed{0};  ///< warp instructions
  std::uint64_t limit = 0;
  /// The lowest block that failed. Blocks before it go on, so that the error reported is the same
  /// however the host's threads ran; those behind it stop.
  std::atomic<std::uint64_t> failed{std::numeric_limits<std::uint64_t>::max()};

  bool stops(std::uint64_t block) const { return block > failed; }
};

/// Runs blocks of a launch, one after the other, on one host thread.
///
/// Every lane has a program counter. Of the lanes that can go on, those at the lowest address run
/// together; in the order that lay_out() gives the code, diverged lanes meet again as early as they
/// can. Lanes that only wait for others to change memory stand back from time to time, as do warps,
/// so that locks between threads work.
class BlockRun {
 public:
  BlockRun(const Launch& launch, Progress& progress, const Schedule& schedule = {});
  /// Errors: Fault naming kernel, block, thread and line for whatever the kernel does wrong, for a
  /// barrier or collective that some thread never reaches, and where the launch's limit of
  /// instructions is used up, with the places where the block's warps stand.
  void run(std::uint64_t block) {
    start(block);
    while (!run_round()) {
    }
  }
  /// The same in parts: each round gives every warp its turn. run_round() returns whether the block
  /// has ended.
  void start(std::uint64_t block);
  bool run_round();

  const std::vector<AccessCounts>& counts() const { return counts_; }

 private:
  /// The lanes that run together, and where.
  struct Group {
    std::uint32_t lanes = 0;
    std::uint32_t pc = 0;
    std::uint32_t meet = 0;    ///< the next address at which other lanes stand
    bool has_others = false;   ///< whether others of the warp could go on
    bool is_gathered = false;  ///< they were parked, and no more will come
  };

  bool run_warp(Warp& warp);
  bool regroup(Warp& warp, Group& group);
  bool regroup_split(Warp& warp, Group& group);
  std::uint32_t pick(const Warp& warp, std::uint32_t ready);
  std::uint64_t next_slice();
  void land_some(Warp& warp);
  void run_instruction(Warp& warp, const Instruction& in, std::uint32_t lanes) const {
    warp.active = lanes;
    if (!warp.taints.empty()) Undefined::before(warp, in);
    if (launch_.find_wraps) follow_wraps(warp, in);
    in.run(warp, in);
  }
  static void leave(Warp& warp, std::uint32_t lanes, std::uint32_t pc);
  bool control(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes);
  bool branch(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes) const;
  bool branch_by_table(Warp& warp, const Group& group, const Instruction& in) const;
  bool collective(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes) const;
  bool arrive(Warp& warp, Group& group, const Instruction& in, std::uint32_t lanes);
  bool wake_collectives(Warp& warp) const;
  bool release(std::uint32_t number);
  bool release_all();
  void check_masks(const Warp& warp, const Instruction& in, std::uint32_t lanes) const;
  void check_arrival(const Warp& warp, const Instruction& in, std::uint32_t lanes,
                     std::uint32_t expected) const;
  bool wait_at_copies(const Warp& warp, const Instruction& in, std::uint32_t lanes) const;
  void check_exit(const Warp& warp, const Instruction& in, std::uint32_t lanes) const;
  void write_votes(Warp& warp, std::uint32_t lane, const Barrier& barrier) const;
  void spend(std::uint64_t instructions);
  [[noreturn]] void stop(std::string what) const;
  std::string positions() const;
  std::uint32_t alive_threads() const;

  const Launch& launch_;
  Progress& progress_;
  Schedule schedule_;
  std::optional<Decisions> decisions_;  ///< of a schedule that is not the usual one
  std::uint64_t number_ = 0;            ///< of the block under way
  BlockState block_;
  std::vector<Special> block_specials_;  ///< that are another number in each block
  std::vector<std::uint32_t> met_;       ///< by warp: its lanes when the first of them was parked
  std::unique_ptr<Checker> checker_;     ///< where the launch is checked
  std::vector<AccessCounts> counts_;
  std::vector<const Allocation*> recent_;
  std::vector<std::byte> registers_;
  std::vector<std::byte> first_registers_;  ///< what they hold when any block starts
  std::vector<std::byte> local_;
};

}  // namespace switchyard::kernels::xray

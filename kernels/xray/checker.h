#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/xray/access.h"
#include "kernels/xray/finding.h"
#include "kernels/xray/order.h"
#include "kernels/xray/shadow.h"
#include "kernels/xray/undefined.h"

namespace switchyard::kernels::xray {

/// What the checkers of a launch's blocks share. The blocks of such a launch run on one host
/// thread.
struct CheckedLaunch {
  explicit CheckedLaunch(std::size_t most_findings) : findings(most_findings) {}

  Findings findings;
  Releases releases;
  SparseShadow global;
};

/// Finds races and reads of what cp.async has not brought yet, by what was ordered and not by what
/// happened: it keeps for each byte who wrote and read it last. Two accesses of one byte by
/// different threads, not both reads and not both strong, must be ordered (order.h). Shuffles and
/// votes order nothing. Lanes that write one byte with one instruction are let pass.
class Checker {
 public:
  Checker(const Launch& launch, CheckedLaunch& shared);
  /// Another block begins.
  void start(std::uint64_t block);

  /// The lanes access `bytes` bytes of shared or global memory each.
  void access(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
              std::uint32_t lanes, const Access& access);
  /// A copy of a lane's was waited for: from now on its bytes are the lane's own writes.
  void land(const Warp& warp, const Instruction& in, std::uint32_t lane, std::uint32_t to,
            std::uint32_t bytes, bool is_undefined);
  void fence(const Warp& warp, bool is_device_wide) {
    order_.fence(warp.index, warp.active, is_device_wide);
  }
  BlockOrder& order() { return order_; }
  Undefined& undefined() { return undefined_; }

  /// Whether such a finding is known by now. It counts one more then, and need not be described.
  bool is_known(const Instruction& in, Detector detector, const Event* other = nullptr);
  /// Notes a finding of the lane's. Throws Findings::Enough where there are enough.
  void note(const Warp& warp, const Instruction& in, std::uint32_t lane, Detector detector,
            std::string_view what, const MemoryPlace& place, const Event* other = nullptr);
  /// Bytes for lanes whose access must not reach memory; zeros when the lanes' instruction begins.
  std::byte* sink(std::uint32_t lane);

 private:
  struct Pending {
    std::uint32_t thread = 0;  ///< whose copy has not landed, from 1
    std::uint32_t pc = 0;      ///< where it began
  };

  void access_plainly(const Warp& warp, const Instruction& in, Space space, Use use,
                      std::uint32_t bytes, std::uint32_t lanes, const Access& access);
  void access_lane(const Warp& warp, const Instruction& in, Space space, Use use,
                   std::uint32_t bytes, std::uint32_t lane, std::uint64_t address, bool is_strong);
  static void note_read(const Warp& warp, const Event& now, Cell& cell);
  void read_words(const Warp& warp, const Instruction& in, Space space, std::uint32_t lanes,
                  const Access& access, Event now);
  bool visit_row(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
                 const Access& access, Event now);
  void visit(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
             std::uint32_t lane, std::uint64_t address, const Event& now);
  template <class Body>
  void for_cells(Space space, std::uint64_t address, std::uint32_t bytes, const Body& body);
  void report(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
              std::uint32_t lane, const Event& conflict, const Cell& cell, std::uint64_t at);
  bool conflicts(const Warp& warp, const Event& now, const Event& before) const;
  void check_pending(const Warp& warp, const Instruction& in, std::uint32_t lane,
                     std::uint64_t address, std::uint32_t bytes);
  const Event* conflict_of_read(const Warp& warp, const Event& now, Cell& cell) const;
  const Event* conflict_of_write(const Warp& warp, const Event& now, Cell& cell) const;
  void race(const Warp& warp, const Instruction& in, std::uint32_t lane, Use use,
            const Event& other, bool other_wrote, const MemoryPlace& place);
  bool is_same_thread(const Event& a, const Event& b) const {
    return a.thread == b.thread && a.block == b.block;
  }
  Event event(const Warp& warp, const Instruction& in, std::uint32_t lane, bool is_strong) const;
  std::uint32_t pc_of(const Instruction& in) const;

  const Launch& launch_;
  CheckedLaunch& common_;
  BlockOrder order_;
  Undefined undefined_;
  Shadow shared_;
  std::vector<Pending> pending_;  ///< by words of shared memory
  std::uint32_t pending_count_ = 0;
  std::vector<std::byte> sink_;
};

}  // namespace switchyard::kernels::xray

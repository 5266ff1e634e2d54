#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/xray/access.h"

namespace switchyard::kernels::xray {

/// Finds races in a block's shared memory and reads of what cp.async has not brought yet, by what
/// was ordered and not by what happened: it keeps for each byte who wrote and read it last. Two
/// accesses of one byte by different threads, not both reads and not both atomic, must have a
/// barrier between them: bar.sync (or what arrives at one) between warps, that or bar.warp.sync
/// within a warp. Shuffles and votes order nothing. Lanes that write one byte with one instruction
/// are let pass.
///
/// Every finding is an Error that names kernel, block, thread, place, the bytes, and the other
/// party.
class Checker {
 public:
  explicit Checker(const Launch& launch);
  /// Forgets all: another block begins.
  void start();

  /// The lanes access `bytes` bytes of shared memory each.
  void access(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
              std::uint32_t lanes, const Access& access);
  /// A copy of a lane's has landed: from now on its bytes are the lane's own writes.
  void land(const Warp& warp, const Instruction& in, std::uint32_t lane, std::uint32_t to,
            std::uint32_t bytes);
  void warp_barrier(const Warp& warp) { ++syncs_[warp.index]; }
  void arrive(const Warp& warp, std::uint32_t barrier);
  void pass(const Warp& warp, std::uint32_t barrier);
  void open(std::uint32_t barrier) { arrived_[barrier] = {}; }

 private:
  static constexpr std::uint32_t kWarps = 32;
  using Clocks = std::array<std::uint32_t, kWarps>;

  /// An access that is remembered; `thread` counts from 1, 0 means none.
  struct Event {
    std::uint32_t thread = 0;
    std::uint32_t clock = 0;  ///< of its warp
    std::uint32_t sync = 0;   ///< bar.warp.sync and barriers of its warp so far
    std::uint32_t pc = 0;
    std::uint64_t executed = 0;
    bool is_atomic = false;
  };
  struct Byte {
    Event write;
    Event reads[2];                ///< the last one, and the last one of another warp than that
    std::uint32_t pending = 0;     ///< the thread whose copy has not landed, from 1
    std::uint32_t pending_pc = 0;  ///< where it began
  };

  template <class Body>
  void for_bytes(std::uint64_t address, std::uint32_t bytes, const Body& body);
  void read(const Warp& warp, const Instruction& in, std::uint32_t lane, const Event& now,
            Byte& byte, std::uint64_t address);
  void write(const Warp& warp, const Instruction& in, std::uint32_t lane, const Event& now,
             Byte& byte, std::uint64_t address);
  bool is_ordered(const Warp& warp, const Event& before) const;
  Event event(const Warp& warp, const Instruction& in, std::uint32_t lane, bool is_atomic) const;
  [[noreturn]] void race(const Warp& warp, const Instruction& in, std::uint32_t lane,
                         const char* verb, const Event& other, const char* other_verb,
                         std::uint64_t address) const;
  std::string thread_text(std::uint32_t thread) const;
  std::string place_text(std::uint64_t address) const;

  const Launch& launch_;
  std::vector<Byte> bytes_;
  /// Whether a word's bytes differ, because something narrower touched it. Until then the first of
  /// its bytes stands for all four, which makes most accesses four times cheaper.
  std::vector<bool> is_split_;
  std::array<Clocks, kWarps> known_{};  ///< what each warp knows of each warp's clock
  std::array<std::uint32_t, kWarps> syncs_{};
  std::array<Clocks, 16> arrived_{};  ///< what those at a barrier know
};

}  // namespace switchyard::kernels::xray

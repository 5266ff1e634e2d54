#include "kernels/xray/checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/xray/lanes.h"

namespace switchyard::kernels::xray {

Checker::Checker(const Launch& launch)
    : launch_(launch),
      bytes_((launch.program.shared_bytes + launch.shape.dynamic_shared_bytes + 3) / 4 * 4),
      is_split_(bytes_.size() / 4) {
  start();
}

void Checker::start() {
  std::fill(bytes_.begin(), bytes_.end(), Byte{});
  std::fill(is_split_.begin(), is_split_.end(), false);
  known_ = {};
  for (std::uint32_t warp = 0; warp < kWarps; ++warp) known_[warp][warp] = 1;
  syncs_ = {};
  arrived_ = {};
}

std::string Checker::thread_text(std::uint32_t thread) const {
  const Dim3 at = index_in(launch_.shape.block, thread);
  return fmt::format("({}, {}, {})", at.x, at.y, at.z);
}

/// "byte 128 of tile"; dynamic shared memory has no name of its own.
std::string Checker::place_text(std::uint64_t address) const {
  for (const SharedVariable& one : launch_.program.shared_variables) {
    if (address >= one.offset && address - one.offset < one.bytes) {
      return fmt::format("byte {} of {}", address - one.offset, one.name);
    }
  }
  if (address >= launch_.program.shared_bytes) {
    return fmt::format("byte {} of the dynamic shared memory",
                       address - launch_.program.shared_bytes);
  }
  return fmt::format("byte {} of the shared memory", address);
}

bool Checker::is_ordered(const Warp& warp, const Event& before) const {
  const std::uint32_t other = (before.thread - 1) / kLanes;
  if (other == warp.index) return before.sync < syncs_[warp.index];
  return known_[warp.index][other] >= before.clock;
}

Checker::Event Checker::event(const Warp& warp, const Instruction& in, std::uint32_t lane,
                              bool is_atomic) const {
  return {warp.index * kLanes + lane + 1,
          known_[warp.index][warp.index],
          syncs_[warp.index],
          static_cast<std::uint32_t>(&in - launch_.program.code.data()),
          warp.block->executed,
          is_atomic};
}

void Checker::race(const Warp& warp, const Instruction& in, std::uint32_t lane, const char* verb,
                   const Event& other, const char* other_verb, std::uint64_t address) const {
  fail(warp, in, lane,
       fmt::format("a race: {} {}, which thread {} {} at {} without a barrier between them", verb,
                   place_text(address), thread_text(other.thread - 1), other_verb,
                   launch_.program.place(launch_.program.code[other.pc])));
}

/// Calls body(byte, address) for the bytes of an access, or for the one that stands for its word.
template <class Body>
void Checker::for_bytes(std::uint64_t address, std::uint32_t bytes, const Body& body) {
  for (std::uint64_t at = address; at < address + bytes;) {
    const std::uint64_t word = at / 4 * 4;
    if (bytes >= 4 && !is_split_[at / 4]) {
      body(bytes_[word], word);
      at = word + 4;
      continue;
    }
    if (!is_split_[at / 4]) {
      is_split_[at / 4] = true;
      for (std::uint64_t i = word + 1; i < word + 4; ++i) bytes_[i] = bytes_[word];
    }
    body(bytes_[at], at);
    ++at;
  }
}

void Checker::read(const Warp& warp, const Instruction& in, std::uint32_t lane, const Event& now,
                   Byte& byte, std::uint64_t address) {
  const Event& before = byte.write;
  const bool conflicts =
      before.thread != 0 && before.thread != now.thread && !is_ordered(warp, before);
  if (conflicts) race(warp, in, lane, "reads", before, "wrote", address);
  const bool same_warp = (byte.reads[0].thread - 1) / kLanes == warp.index;
  if (byte.reads[0].thread != 0 && !same_warp) byte.reads[1] = byte.reads[0];
  byte.reads[0] = now;
}

void Checker::write(const Warp& warp, const Instruction& in, std::uint32_t lane, const Event& now,
                    Byte& byte, std::uint64_t address) {
  const auto conflicts = [&](const Event& before) {
    const bool same_instruction = before.executed == now.executed && before.pc == now.pc;
    return before.thread != 0 && before.thread != now.thread && !same_instruction &&
           !(before.is_atomic && now.is_atomic) && !is_ordered(warp, before);
  };
  if (conflicts(byte.write)) race(warp, in, lane, "writes", byte.write, "wrote", address);
  for (const Event& one : byte.reads) {
    if (conflicts(one)) race(warp, in, lane, "writes", one, "read", address);
  }
  byte.write = now;
  byte.reads[0] = byte.reads[1] = {};
}

void Checker::access(const Warp& warp, const Instruction& in, Use use, std::uint32_t bytes,
                     std::uint32_t lanes, const Access& access) {
  for_lanes(lanes, [&](std::uint32_t lane) {
    const Event now = event(warp, in, lane, use == Use::kAtomic);
    for_bytes(access.address[lane], bytes, [&](Byte& byte, std::uint64_t address) {
      if (byte.pending != 0) {
        fail(warp, in, lane,
             fmt::format("uses {}, which the cp.async of thread {} at {} has not been waited for",
                         place_text(address), thread_text(byte.pending - 1),
                         launch_.program.place(launch_.program.code[byte.pending_pc])));
      }
      if (use == Use::kLoad) return read(warp, in, lane, now, byte, address);
      write(warp, in, lane, now, byte, address);
      if (in.kind != Kind::kAsyncCopy) return;
      byte.pending = now.thread;
      byte.pending_pc = now.pc;
    });
  });
}

void Checker::land(const Warp& warp, const Instruction& in, std::uint32_t lane, std::uint32_t to,
                   std::uint32_t bytes) {
  const Event now = event(warp, in, lane, false);
  for_bytes(to, bytes, [&](Byte& byte, std::uint64_t) {
    byte.pending = 0;
    byte.write = now;
  });
}

void Checker::arrive(const Warp& warp, std::uint32_t barrier) {
  Clocks& mine = known_[warp.index];
  for (std::uint32_t i = 0; i < kWarps; ++i) {
    arrived_[barrier][i] = std::max(arrived_[barrier][i], mine[i]);
  }
  ++mine[warp.index];
}

void Checker::pass(const Warp& warp, std::uint32_t barrier) {
  Clocks& mine = known_[warp.index];
  for (std::uint32_t i = 0; i < kWarps; ++i) mine[i] = std::max(mine[i], arrived_[barrier][i]);
  ++syncs_[warp.index];
}

}  // namespace switchyard::kernels::xray

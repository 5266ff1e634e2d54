#include "kernels/xray/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernels/xray/lanes.h"
#include "kernels/xray/memory_place.h"

namespace switchyard::kernels::xray {
namespace {

constexpr std::size_t kSinkBytes = 32;  // the widest access of a lane

std::string text(const Dim3& d) { return fmt::format("({}, {}, {})", d.x, d.y, d.z); }

const char* verb(Use use) {
  return use == Use::kLoad ? "reads" : use == Use::kStore ? "writes" : "updates";
}

}  // namespace

Checker::Checker(const Launch& launch, CheckedLaunch& shared)
    : launch_(launch),
      common_(shared),
      undefined_(launch),
      shared_(launch.program.shared_bytes + launch.shape.dynamic_shared_bytes),
      pending_((launch.program.shared_bytes + launch.shape.dynamic_shared_bytes + 3) / 4),
      sink_(kSinkBytes * (kLanes + 1)) {}

void Checker::start(std::uint64_t block) {
  order_.start(static_cast<std::uint32_t>(block));
  undefined_.start();
  shared_.clear();
  pending_.assign(pending_.size(), {});
  pending_count_ = 0;
}

std::uint32_t Checker::pc_of(const Instruction& in) const {
  return static_cast<std::uint32_t>(&in - launch_.program.code.data());
}

Event Checker::event(const Warp& warp, const Instruction& in, std::uint32_t lane,
                     bool is_strong) const {
  return {static_cast<std::uint32_t>(warp.block->number),
          order_.clock(warp.index),
          order_.sync(warp.index),
          pc_of(in),
          static_cast<std::uint32_t>(warp.block->executed),
          static_cast<std::uint16_t>(thread_number(warp, lane) + 1),
          is_strong};
}

std::byte* Checker::sink(std::uint32_t lane) {
  const auto address = reinterpret_cast<std::uintptr_t>(sink_.data());
  std::byte* const mine =
      sink_.data() + (kSinkBytes - address % kSinkBytes) % kSinkBytes + kSinkBytes * lane;
  std::fill_n(mine, kSinkBytes, std::byte{0});
  return mine;
}

bool Checker::is_known(const Instruction& in, Detector detector, const Event* other) {
  return common_.findings.is_known(detector, pc_of(in), other == nullptr ? 0 : other->pc);
}

void Checker::note(const Warp& warp, const Instruction& in, std::uint32_t lane, Detector detector,
                   std::string_view what, const MemoryPlace& place, const Event* other) {
  Finding finding = finding_of(warp, in, lane, what, detector);
  finding.array = place.array;
  finding.byte = place.byte;
  finding.index = place.index;
  if (other != nullptr) {
    finding.other = Party{index_in(launch_.shape.grid, other->block),
                          index_in(launch_.shape.block, other->thread - 1U),
                          launch_.program.place(launch_.program.code[other->pc])};
  }
  common_.findings.add(std::move(finding), pc_of(in), other == nullptr ? 0 : other->pc);
}

void Checker::race(const Warp& warp, const Instruction& in, std::uint32_t lane, Use use,
                   const Event& other, bool other_wrote, const MemoryPlace& place) {
  const bool is_same_block = other.block == static_cast<std::uint32_t>(warp.block->number);
  const std::string who =
      (is_same_block ? "" : "block " + text(index_in(launch_.shape.grid, other.block)) + ", ") +
      "thread " + text(index_in(launch_.shape.block, other.thread - 1U));
  note(warp, in, lane, is_same_block ? Detector::kRace : Detector::kBlockRace,
       fmt::format("a race{}: {} {}, which {} {} at {} without {} between them",
                   is_same_block ? "" : " between blocks", verb(use), text(place), who,
                   other_wrote ? "wrote" : "read",
                   launch_.program.place(launch_.program.code[other.pc]),
                   is_same_block ? "a barrier" : "a fence and an atomic"),
       place, &other);
}

/// Whether the access that comes now is not ordered after one before it.
inline bool Checker::conflicts(const Warp& warp, const Event& now, const Event& before) const {
  return before.is_there() && !is_same_thread(before, now) &&
         !(before.is_strong && now.is_strong) && !order_.is_ordered(warp.index, before);
}

/// A read becomes the cell's last one.
inline void Checker::note_read(const Warp& warp, const Event& now, Cell& cell) {
  Event& last = cell.reads[0];
  const bool same_warp = last.block == now.block && last.warp() == warp.index;
  if (last.is_there() && !same_warp) cell.reads[1] = last;
  last = now;
}

inline const Event* Checker::conflict_of_read(const Warp& warp, const Event& now,
                                              Cell& cell) const {
  note_read(warp, now, cell);
  return conflicts(warp, now, cell.write) ? &cell.write : nullptr;
}

const Event* Checker::conflict_of_write(const Warp& warp, const Event& now, Cell& cell) const {
  for (const Event* before : {&cell.write, &cell.reads[0], &cell.reads[1]}) {
    const bool same_instruction =
        before->executed == now.executed && before->pc == now.pc && before->block == now.block;
    if (!same_instruction && conflicts(warp, now, *before)) return before;
  }
  return nullptr;
}

/// Calls body(cell, address) for the cells of a lane's bytes.
template <class Body>
void Checker::for_cells(Space space, std::uint64_t address, std::uint32_t bytes, const Body& body) {
  if (space == Space::kShared) {
    shared_.for_cells(address, bytes, body);
  } else {
    common_.global.for_cells(address, bytes, body);
  }
}

void Checker::check_pending(const Warp& warp, const Instruction& in, std::uint32_t lane,
                            std::uint64_t address, std::uint32_t bytes) {
  for (std::uint64_t word = address / 4; word <= (address + bytes - 1) / 4; ++word) {
    Pending& pending = pending_[word];
    if (pending.thread == 0) continue;
    Event other;
    other.block = static_cast<std::uint32_t>(warp.block->number);
    other.thread = static_cast<std::uint16_t>(pending.thread);
    other.pc = pending.pc;
    if (is_known(in, Detector::kAsyncCopy, &other)) return;
    const MemoryPlace place = place_of(launch_, Space::kShared, address, bytes);
    return note(warp, in, lane, Detector::kAsyncCopy,
                fmt::format("uses {}, which the cp.async of thread {} at {} has not been waited "
                            "for",
                            text(place), text(index_in(launch_.shape.block, pending.thread - 1)),
                            launch_.program.place(launch_.program.code[pending.pc])),
                place, &other);
  }
}

void Checker::report(const Warp& warp, const Instruction& in, Space space, Use use,
                     std::uint32_t bytes, std::uint32_t lane, const Event& conflict,
                     const Cell& cell, std::uint64_t at) {
  const bool is_same_block = conflict.block == static_cast<std::uint32_t>(warp.block->number);
  if (is_known(in, is_same_block ? Detector::kRace : Detector::kBlockRace, &conflict)) return;
  race(warp, in, lane, use, conflict, &conflict == &cell.write,
       place_of(launch_, space, at, std::min(bytes, 4U)));
}

/// A lane's access becomes the last one of its cells.
void Checker::visit(const Warp& warp, const Instruction& in, Space space, Use use,
                    std::uint32_t bytes, std::uint32_t lane, std::uint64_t address,
                    const Event& now) {
  bool is_reported = false;  // one finding of an access is enough
  for_cells(space, address, bytes, [&](Cell& cell, std::uint64_t at) {
    const Event* conflict =
        use == Use::kLoad ? conflict_of_read(warp, now, cell) : conflict_of_write(warp, now, cell);
    if (conflict != nullptr && !is_reported) {
      is_reported = true;
      report(warp, in, space, use, bytes, lane, *conflict, cell, at);
    }
    if (use != Use::kLoad) cell = {now, {}};
  });
}

void Checker::access_lane(const Warp& warp, const Instruction& in, Space space, Use use,
                          std::uint32_t bytes, std::uint32_t lane, std::uint64_t address,
                          bool is_strong) {
  const std::uint64_t key = address | (space == Space::kShared ? kSharedWindow : 0);
  if (is_strong && use != Use::kStore) order_.acquire(warp.index, key, common_.releases);
  visit(warp, in, space, use, bytes, lane, address, event(warp, in, lane, is_strong));
  if (is_strong && use != Use::kLoad) {
    if ((in.order & kReleasing) != 0) {
      order_.fence(warp.index, 1U << lane, (in.order & kBlockScope) == 0);
    }
    order_.release(warp.index, lane, key, common_.releases);
  }
}

/// The same for lanes whose bytes lie one behind the other, in whole words with a cell each.
/// Returns whether they do; `now` is the first lane's event.
bool Checker::visit_row(const Warp& warp, const Instruction& in, Space space, Use use,
                        std::uint32_t bytes, const Access& access, Event now) {
  if (access.pattern != Pattern::kRow || bytes < 4) return false;
  const std::uint16_t first = now.thread;
  const int words = __builtin_ctz(bytes / 4);  // of a lane, as a power of two
  std::uint32_t reported = kLanes;             // one finding of a lane's access is enough
  const auto visit_word = [&](Cell& cell, std::uint32_t i) {
    const std::uint32_t lane = i >> words;
    now.thread = static_cast<std::uint16_t>(first + lane);
    const Event* conflict = nullptr;
    if (use == Use::kLoad) {
      conflict = conflict_of_read(warp, now, cell);
    } else if (!cell.is_untouched()) {
      conflict = conflict_of_write(warp, now, cell);
    }
    if (conflict != nullptr && lane != std::exchange(reported, lane)) {
      report(warp, in, space, use, bytes, lane, *conflict, cell,
             access.address[0] + std::uint64_t{i} * 4);
    }
    if (use != Use::kLoad) cell = {now, {}};
  };
  const std::uint64_t begin = access.address[0];
  return space == Space::kShared
             ? shared_.for_whole_words(begin, kLanes * bytes, visit_word)
             : common_.global.for_whole_words(begin, kLanes * bytes, visit_word);
}

/// Reads of a word each, from any addresses. Whether what was written before is ordered before a
/// read is the same for all lanes of a warp, so that neighbours that read one word ask once.
void Checker::read_words(const Warp& warp, const Instruction& in, Space space, std::uint32_t lanes,
                         const Access& access, Event now) {
  const std::uint16_t first = now.thread;
  Cell* ordered = nullptr;  // of the lane before
  std::uint64_t before = 0;
  for_lanes(lanes, [&](std::uint32_t lane) {
    const std::uint64_t address = access.address[lane];
    now.thread = static_cast<std::uint16_t>(first + lane);
    if (ordered != nullptr && address == before) {
      ordered->reads[0].thread = now.thread;
      return;
    }
    before = address;
    Cell* const cell =
        space == Space::kShared ? shared_.whole_word(address) : common_.global.whole_word(address);
    if (cell == nullptr) {
      visit(warp, in, space, Use::kLoad, 4, lane, address, now);
      ordered = nullptr;
      return;
    }
    const Event& write = cell->write;
    const bool is_ordered = !write.is_there() || order_.is_ordered(warp.index, write);
    note_read(warp, now, *cell);
    if (!is_ordered && !is_same_thread(write, now)) {
      report(warp, in, space, Use::kLoad, 4, lane, write, *cell, address);
    }
    ordered = is_ordered ? cell : nullptr;
  });
}

/// Loads and stores that order nothing: one event, but for the thread, does for all lanes.
void Checker::access_plainly(const Warp& warp, const Instruction& in, Space space, Use use,
                             std::uint32_t bytes, std::uint32_t lanes, const Access& access) {
  Event now = event(warp, in, 0, false);
  if (visit_row(warp, in, space, use, bytes, access, now)) return;
  if (use == Use::kLoad && bytes == 4) return read_words(warp, in, space, lanes, access, now);
  const std::uint16_t first = now.thread;
  for_lanes(lanes, [&](std::uint32_t lane) {
    now.thread = static_cast<std::uint16_t>(first + lane);
    visit(warp, in, space, use, bytes, lane, access.address[lane], now);
  });
}

void Checker::access(const Warp& warp, const Instruction& in, Space space, Use use,
                     std::uint32_t bytes, std::uint32_t lanes, const Access& access) {
  const bool is_shared = space == Space::kShared;
  const bool is_copy = is_shared && in.kind == Kind::kAsyncCopy;
  const bool is_strong = use == Use::kAtomic || (!is_shared && (in.order & kStrong) != 0);
  const bool asks_pending = is_shared && pending_count_ != 0;
  if (!is_strong && !is_copy && !asks_pending) {
    return access_plainly(warp, in, space, use, bytes, lanes, access);
  }
  for_lanes(lanes, [&](std::uint32_t lane) {
    const std::uint64_t address = access.address[lane];
    if (is_shared && pending_count_ != 0) check_pending(warp, in, lane, address, bytes);
    access_lane(warp, in, space, use, bytes, lane, address, is_strong);
    if (!is_copy) return;
    for (std::uint64_t word = address / 4; word < (address + bytes) / 4; ++word) {
      pending_count_ += pending_[word].thread == 0 ? 1 : 0;
      pending_[word] = {thread_number(warp, lane) + 1, pc_of(in)};
    }
  });
}

void Checker::land(const Warp& warp, const Instruction& in, std::uint32_t lane, std::uint32_t to,
                   std::uint32_t bytes, bool is_undefined) {
  const Event now = event(warp, in, lane, false);
  shared_.for_cells(to, bytes, [&](Cell& cell, std::uint64_t) { cell.write = now; });
  for (std::uint32_t word = to / 4; word < (to + bytes) / 4; ++word) {
    pending_count_ -= pending_[word].thread != 0 ? 1 : 0;
    pending_[word] = {};
  }
  undefined_.shared().set(to, bytes, !is_undefined);
}

}  // namespace switchyard::kernels::xray

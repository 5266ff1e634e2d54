#include <algorithm>
#include <cstring>

#include "kernels/xray/access.h"
#include "kernels/xray/checker.h"
#include "kernels/xray/decoding.h"

// cp.async. A copy reads its source when it begins and lands as late as the program allows: when
// the thread waits for it. A kernel that forgets to wait computes with what was there before, as it
// may on a GPU.

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;

/// How many copies of a warp may be on their way: more than shared memory has words.
constexpr std::size_t kMaxCopies = std::size_t{1} << 16;

void begin_copy(Warp& w, const Instruction& in) {
  Access to, from;
  addresses(w, in.slot[1], in.address_bits, in.offset, to.address);
  const U32 good = resolve(w, in, Space::kShared, Use::kStore, in.bytes, w.active, to);
  const U32* given = in.slot[3] == kNoSlot ? nullptr : w.lanes<U32>(in.slot[3]);
  U32 reading = w.active;
  if (given != nullptr) {
    for_lanes(w.active, [&](U32 lane) { reading &= ~((given[lane] == 0 ? 1U : 0U) << lane); });
  }
  if (in.slot[4] != kNoSlot) {  // ignore-src: a predicate
    reading &= ~w.predicate(in.slot[4]);
    given = nullptr;
  }
  addresses(w, in.slot[2], 64, static_cast<std::int32_t>(in.target), from.address);
  resolve(w, in, Space::kGlobal, Use::kLoad, in.bytes, reading, from);
  if (w.copies.size() == kMaxCopies) {
    fail(w, in, static_cast<U32>(__builtin_ctz(w.active)),
         "begins a cp.async while 65536 of its warp have not been waited for");
  }
  PendingCopy copy;
  copy.lanes = good;
  copy.bytes = in.bytes;
  copy.undefined = from.undefined[0];
  for_lanes(good, [&](U32 lane) {
    copy.group[lane] = w.committed[lane];
    copy.to[lane] = static_cast<U32>(to.address[lane]);
    if (from.host[lane] == nullptr) return;
    const U32 bytes = given == nullptr ? in.bytes : std::min<U32>(given[lane], in.bytes);
    std::memcpy(copy.data[lane].data(), from.host[lane], bytes);
  });
  w.copies.push_back(copy);
}

void land_lane(Warp& w, const PendingCopy& copy, U32 lane) {
  std::memcpy(w.block->shared.data() + copy.to[lane], copy.data[lane].data(), copy.bytes);
}

/// Lets the active lanes' copies land, but for those of the last `groups` committed groups and
/// those that belong to none yet; with `all`, those too.
void land(Warp& w, const Instruction& in, U32 groups, bool all) {
  for (PendingCopy& copy : w.copies) {
    for_lanes(copy.lanes & w.active, [&](U32 lane) {
      if (!all && copy.group[lane] + groups >= w.committed[lane]) return;
      const U32 bit = 1U << lane;
      if ((copy.landed & bit) == 0) land_lane(w, copy, lane);
      copy.lanes &= ~bit;
      if (w.block->checker != nullptr) {
        w.block->checker->land(w, in, lane, copy.to[lane], copy.bytes, (copy.undefined & bit) != 0);
      }
    });
  }
  std::erase_if(w.copies, [](const PendingCopy& copy) { return copy.lanes == 0; });
}

void decode_copy(Decoding& d) {
  // cp.async.ca|cg.shared.global [to], [from], bytes {, given or ignored} {, policy}
  if (!d.op.has("global")) d.not_supported();
  const std::int64_t bytes = d.number(2);
  if (bytes != 4 && bytes != 8 && bytes != 16) d.fail("copies 4, 8 or 16 bytes");
  d.in.bytes = static_cast<std::uint8_t>(bytes);
  d.in.data_flow = DataFlow::kExchange;
  d.address(0, Space::kShared);
  std::uint8_t bits = 0;
  std::int64_t offset = 0;
  d.in.slot[2] = d.second_address(1, Space::kGlobal, bits, offset);
  if (bits != 64) d.fail("expected an address of 64 bits");
  d.in.target = static_cast<std::uint32_t>(offset);
  const bool hinted = d.op.has("L2::cache_hint");
  if (d.operands() > (hinted ? 4U : 3U)) {
    const Operand& last = d.operand(3);
    if (d.register_bits(last) == 1) {
      d.in.slot[4] = d.source(last, {'p', 1});
    } else {
      d.in.slot[3] = d.source(last, type_of<U32>());
    }
  }
  d.in.kind = Kind::kAsyncCopy;
  d.in.run = begin_copy;
}

void decode_async(Decoding& d) {
  d.in.kind = Kind::kAsyncCopy;
  if (!d.op.has("async") || d.op.has("bulk") || d.op.has("mbarrier")) d.not_supported();
  if (d.op.has("commit_group")) {
    d.in.run = [](Warp& w, const Instruction&) {
      for_lanes(w.active, [&](U32 lane) { ++w.committed[lane]; });
    };
  } else if (d.op.has("wait_all")) {
    d.in.run = [](Warp& w, const Instruction& in) { land(w, in, 0, true); };
  } else if (d.op.has("wait_group")) {
    d.in.target = static_cast<std::uint32_t>(d.number(0));
    d.in.run = [](Warp& w, const Instruction& in) { land(w, in, in.target, false); };
  } else {
    decode_copy(d);
  }
}

}  // namespace

void add_async_opcodes(OpcodeTable& table) { table["cp"] = decode_async; }

}  // namespace switchyard::kernels::xray

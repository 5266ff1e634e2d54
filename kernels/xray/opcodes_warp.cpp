#include <bit>

#include "kernels/xray/checker.h"
#include "kernels/xray/decoding.h"

// What the lanes of a warp do together: shuffles, votes, matches, reductions, bar.warp.sync. When a
// handler runs, all lanes of the mask that have not exited are active (block_control.cpp sees to
// it).

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;
constexpr Type kPredicate{'p', 1};

void collective(Decoding& d, std::size_t mask) {
  d.in.slot[4] = d.source(mask, type_of<U32>());
  d.in.flow = Flow::kCollective;
  d.in.kind = Kind::kCollective;
}

enum class Mode : std::uint8_t { kUp, kDown, kButterfly, kIndex };

/// PTX ISA, shfl.sync: c holds the segments' mask in bits 8-12 and the clamp in bits 0-4.
template <Mode kMode>
void shuffle(Warp& w, const Instruction& in) {
  const U32 *a = w.lanes<U32>(in.slot[1]), *b = w.lanes<U32>(in.slot[2]),
            *c = w.lanes<U32>(in.slot[3]);
  U32 result[kLanes];
  U32 origin[kLanes];
  U32 inside = 0;
  for (U32 lane = 0; lane < kLanes; ++lane) {
    const U32 segment = c[lane] >> 8 & 31, clamp = c[lane] & 31, by = b[lane] & 31;
    const U32 first = lane & segment, last = first | (clamp & ~segment);
    const U32 from = kMode == Mode::kUp          ? lane - by
                     : kMode == Mode::kDown      ? lane + by
                     : kMode == Mode::kButterfly ? lane ^ by
                                                 : first | (by & ~segment);
    const bool ok = kMode == Mode::kUp
                        ? static_cast<std::int32_t>(from) >= static_cast<std::int32_t>(last)
                        : from <= last;
    inside |= (ok ? 1U : 0U) << lane;
    origin[lane] = (ok ? from : lane) & 31;
  }
  for (U32 lane = 0; lane < kLanes; ++lane) result[lane] = a[origin[lane]];
  if (w.block->checker != nullptr) Undefined::shuffled(w, in, origin);
  w.store(in.slot[0], result);
  if (in.count == 2) w.store_predicate(w.block->launch->program.slots[in.extra], inside);
}

/// Operand 0, which may be d|p; p goes to the program's further slots.
void destination_and_predicate(Decoding& d, Type type) {
  d.in.count = 1;
  if (d.operand(0).kind != Operand::Kind::kPair) {
    d.in.slot[0] = d.destination(0, type);
    return;
  }
  d.in.slot[0] = d.destination(d.operand(0).list[0], type);
  d.extra(d.destination(d.operand(0).list[1], kPredicate), true);
  d.in.count = 2;
}

void decode_shuffle(Decoding& d) {
  if (!d.op.has("sync")) d.not_supported();
  d.expect_operands(5);
  destination_and_predicate(d, type_of<U32>());
  for (std::size_t i = 1; i < 4; ++i) d.in.slot[i] = d.source(i, type_of<U32>());
  collective(d, 4);
  d.in.data_flow = DataFlow::kExchange;
  d.in.run = d.op.has("up")     ? shuffle<Mode::kUp>
             : d.op.has("down") ? shuffle<Mode::kDown>
             : d.op.has("bfly") ? shuffle<Mode::kButterfly>
                                : shuffle<Mode::kIndex>;
}

template <class F>
void vote(Warp& w, const Instruction& in) {
  const U32 bits = w.predicate(in.slot[1]) & w.active;
  w.store_predicate(in.slot[0], F{}(bits, w.active) ? kAllLanes : 0);
}

void ballot(Warp& w, const Instruction& in) {
  const U32 bits = w.predicate(in.slot[1]) & w.active;
  U32 result[kLanes];
  for (U32& one : result) one = bits;
  w.store(in.slot[0], result);
}

void decode_vote(Decoding& d) {
  if (!d.op.has("sync")) d.not_supported();
  d.expect_operands(3);
  const auto with = [&](auto function) { d.in.run = vote<decltype(function)>; };
  d.in.slot[1] = d.source(1, kPredicate);
  collective(d, 2);
  if (d.op.has("ballot")) {
    d.in.slot[0] = d.destination(0, type_of<U32>());
    d.in.run = ballot;
    return;
  }
  d.in.slot[0] = d.destination(0, kPredicate);
  if (d.op.has("all")) {
    with([](U32 bits, U32 all) { return bits == all; });
  } else if (d.op.has("any")) {
    with([](U32 bits, U32) { return bits != 0; });
  } else if (d.op.has("uni")) {
    with([](U32 bits, U32 all) { return bits == 0 || bits == all; });
  } else {
    d.fail("unknown vote");
  }
}

template <class T>
void match_any(Warp& w, const Instruction& in) {
  const T* a = w.lanes<T>(in.slot[1]);
  U32 result[kLanes] = {};
  for_lanes(w.active, [&](U32 lane) {
    for_lanes(w.active,
              [&](U32 other) { result[lane] |= (a[lane] == a[other] ? 1U : 0U) << other; });
  });
  w.store(in.slot[0], result);
}

template <class T>
void match_all(Warp& w, const Instruction& in) {
  const T* a = w.lanes<T>(in.slot[1]);
  const auto first = static_cast<U32>(std::countr_zero(w.active));
  bool same = true;
  for_lanes(w.active, [&](U32 lane) { same = same && a[lane] == a[first]; });
  U32 result[kLanes];
  for (U32& one : result) one = same ? w.active : 0;
  w.store(in.slot[0], result);
  if (in.count == 2) {
    w.store_predicate(w.block->launch->program.slots[in.extra], same ? kAllLanes : 0);
  }
}

void decode_match(Decoding& d) {
  d.expect_operands(3);
  const Type type = d.op.type();
  if (type.bits != 32 && type.bits != 64) d.not_supported();
  destination_and_predicate(d, type_of<U32>());
  d.in.slot[1] = d.source(1, type);
  collective(d, 2);
  const bool is_long = type.bits == 64;
  if (d.op.has("any")) {
    d.in.run = is_long ? match_any<std::uint64_t> : match_any<U32>;
  } else {
    d.in.run = is_long ? match_all<std::uint64_t> : match_all<U32>;
  }
}

template <class T, class F>
void reduce(Warp& w, const Instruction& in) {
  const T* a = w.lanes<T>(in.slot[1]);
  const U32 rest = w.active & (w.active - 1);
  T total = a[std::countr_zero(w.active)];
  for_lanes(rest, [&](U32 lane) { total = static_cast<T>(F{}(total, a[lane])); });
  T result[kLanes];
  for (T& one : result) one = total;
  w.store(in.slot[0], result);
}

void decode_reduction(Decoding& d) {
  d.expect_operands(3);
  d.in.slot[0] = d.destination(0, type_of<U32>());
  d.in.slot[1] = d.source(1, type_of<U32>());
  collective(d, 2);
  const bool is_signed = d.op.type().kind == 's';
  const auto with = [&](auto function) {
    using F = decltype(function);
    d.in.run = is_signed ? reduce<std::int32_t, F> : reduce<U32, F>;
  };
  if (d.op.type().kind == 'f') d.not_supported();
  if (d.op.has("add")) {
    with([](auto a, auto b) { return static_cast<U32>(a) + static_cast<U32>(b); });
  } else if (d.op.has("min")) {
    with([](auto a, auto b) { return b < a ? b : a; });
  } else if (d.op.has("max")) {
    with([](auto a, auto b) { return a < b ? b : a; });
  } else if (d.op.has("and")) {
    with([](auto a, auto b) { return a & b; });
  } else if (d.op.has("or")) {
    with([](auto a, auto b) { return a | b; });
  } else if (d.op.has("xor")) {
    with([](auto a, auto b) { return a ^ b; });
  } else {
    d.fail("unknown reduction");
  }
}

void active_mask(Warp& w, const Instruction& in) {
  U32 result[kLanes];
  for (U32& one : result) one = w.active;
  w.store(in.slot[0], result);
}

/// elect.sync d|p, mask: the lowest lane is the leader.
void elect(Warp& w, const Instruction& in) {
  const auto leader = static_cast<U32>(std::countr_zero(w.active));
  U32 result[kLanes];
  for (U32& one : result) one = leader;
  w.store(in.slot[0], result);
  if (in.count == 2) w.store_predicate(w.block->launch->program.slots[in.extra], 1U << leader);
}

}  // namespace

void add_warp_opcodes(OpcodeTable& table) {
  table["shfl"] = decode_shuffle;
  table["vote"] = decode_vote;
  table["match"] = decode_match;
  table["redux"] = decode_reduction;
  table["activemask"] = [](Decoding& d) {
    d.expect_operands(1);
    d.in.slot[0] = d.destination(0, type_of<U32>());
    d.in.run = active_mask;
    d.in.kind = Kind::kCollective;
  };
  table["elect"] = [](Decoding& d) {
    d.expect_operands(2);
    destination_and_predicate(d, type_of<U32>());
    collective(d, 1);
    d.in.run = elect;
  };
}

}  // namespace switchyard::kernels::xray

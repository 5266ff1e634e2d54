#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/xray/access.h"
#include "kernels/xray/checker.h"
#include "kernels/xray/decoding.h"

// ld, st, and what tells caches what to do, which changes no result.

namespace switchyard::kernels::xray {
namespace {

/// Calls body(lane, place) for the active lanes, lowest first, with the host's address of each
/// one's element number `v` of `count`.
template <class E, class Body>
void for_elements(const Warp& w, const Access& access, std::uint32_t v, std::uint32_t count,
                  const Body& body) {
  const std::size_t offset = v * sizeof(E);
  if (access.pattern == Pattern::kRow && count == 1) {  // vector instructions: a known distance
    std::byte* const row = access.host[0];
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) body(lane, row + lane * sizeof(E));
  } else if (w.active == kAllLanes) {
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) body(lane, access.host[lane] + offset);
  } else {
    for_lanes(w.active, [&](std::uint32_t lane) { body(lane, access.host[lane] + offset); });
  }
}

/// Loads `count` elements E per lane into registers D, extended by E's sign.
template <class E, class D>
void load(Warp& w, const Instruction& in) {
  Access access;
  resolve(w, in, Use::kLoad, static_cast<std::uint32_t>(sizeof(E)) * in.count, access);
  const Slot* to = &w.block->launch->program.slots[in.extra];
  const bool is_checked = w.block->checker != nullptr;
  for (std::uint32_t v = 0; v < in.count; ++v) {
    if (is_checked) Undefined::taint(w, in, to[v], access.undefined[v], access, v);
    D result[kLanes] = {};
    for_elements<E>(w, access, v, in.count, [&](std::uint32_t lane, const std::byte* from) {
      E element;
      std::memcpy(&element, from, sizeof(E));
      result[lane] = static_cast<D>(element);
    });
    w.store(to[v], result);
  }
}

template <class E, class S>
void store(Warp& w, const Instruction& in) {
  Access access;
  resolve(w, in, Use::kStore, static_cast<std::uint32_t>(sizeof(E)) * in.count, access);
  const Slot* from = &w.block->launch->program.slots[in.extra];
  for (std::uint32_t v = 0; v < in.count; ++v) {
    S values[kLanes];  // a copy, which no store to memory changes
    std::memcpy(values, w.lanes<S>(from[v]), sizeof values);
    for_elements<E>(w, access, v, in.count, [&](std::uint32_t lane, std::byte* to) {
      const auto element = static_cast<E>(values[lane]);
      std::memcpy(to, &element, sizeof(E));
    });
  }
}

std::uint8_t order_of(const Opcode& op) {
  const bool is_releasing = op.has("release");
  if (!is_releasing && !op.has("volatile") && !op.has("relaxed") && !op.has("acquire")) return 0;
  return static_cast<std::uint8_t>(kStrong | (is_releasing ? kReleasing : 0) |
                                   (op.has("cta") ? kBlockScope : 0));
}

Space space_of(const Opcode& op) {
  if (op.has("shared") || op.has("shared::cta")) return Space::kShared;
  if (op.has("global")) return Space::kGlobal;
  if (op.has("local")) return Space::kLocal;
  if (op.has("const")) return Space::kConst;
  if (op.has("param") || op.has("param::entry") || op.has("param::func")) return Space::kParam;
  return Space::kGeneric;
}

Kind kind_of(Space space, bool loads) {
  switch (space) {
    case Space::kShared:
      return loads ? Kind::kSharedLoad : Kind::kSharedStore;
    case Space::kLocal:
      return Kind::kLocal;
    case Space::kConst:
    case Space::kParam:
      return Kind::kConstant;
    default:
      return loads ? Kind::kGlobalLoad : Kind::kGlobalStore;
  }
}

/// Calls body.operator()<E, R>(): E is the element in memory, R the register.
template <class Body>
void with_element(Decoding& d, Type type, int register_bits, const Body& body) {
  const auto with_register = [&]<class E>() {
    constexpr int kBits = 8 * static_cast<int>(sizeof(E));
    if (register_bits == 16 && kBits <= 16) return body.template operator()<E, std::uint16_t>();
    if (register_bits == 32 && kBits <= 32) return body.template operator()<E, std::uint32_t>();
    if (register_bits == 64) return body.template operator()<E, std::uint64_t>();
    d.fail("a register is narrower than the type");
  };
  const bool is_signed = type.kind == 's';
  switch (type.bits) {
    case 8:
      return is_signed ? with_register.template operator()<std::int8_t>()
                       : with_register.template operator()<std::uint8_t>();
    case 16:
      return is_signed ? with_register.template operator()<std::int16_t>()
                       : with_register.template operator()<std::uint16_t>();
    case 32:
      return is_signed ? with_register.template operator()<std::int32_t>()
                       : with_register.template operator()<std::uint32_t>();
    case 64:
      return with_register.template operator()<std::uint64_t>();
    default:
      d.not_supported();
  }
}

void decode_access(Decoding& d, bool loads) {
  const Type type = d.op.type();
  if (type.bits == 0) d.fail("expected a type");
  if (d.op.has("shared::cluster")) d.not_supported();
  d.address(loads ? 1 : 0, space_of(d.op));
  if (d.op.has("v2") || d.op.has("v4") || d.op.has("v8")) {
    if (d.operand(loads ? 0 : 1).kind != Operand::Kind::kVector) d.fail("expected a vector");
  }
  const Operand& values = d.operand(loads ? 0 : 1);
  const std::vector<Operand> one{values};
  const std::vector<Operand>& list = values.kind == Operand::Kind::kVector ? values.list : one;
  const std::size_t count = list.size();
  if ((count != 1 && count != 2 && count != 4 && count != 8) || count * type.bytes() > 32) {
    d.fail("a vector has 2 or 4 elements");
  }
  int bits = 0;
  for (const Operand& value : list) bits = std::max(bits, d.register_bits(value));
  if (bits == 0) bits = std::max<int>(type.bits, 16);
  d.in.count = static_cast<std::uint8_t>(count);
  d.in.bytes = static_cast<std::uint8_t>(type.bytes());
  const Type held{'b', static_cast<std::uint8_t>(bits)};
  for (std::size_t i = 0; i < count; ++i) {
    d.extra(loads ? d.destination(list[i], held) : d.source(list[i], held), i == 0);
  }
  d.in.kind = d.in.option == kCallParameter ? Kind::kMove : kind_of(d.in.space, loads);
  d.in.data_flow = DataFlow::kAccess;
  d.in.order = order_of(d.op);
  d.in.waits = loads && d.in.order != 0;
  with_element(d, type, bits, [&]<class E, class R>() {
    if (loads) {
      d.in.run = load<E, R>;
    } else {
      d.in.run = store<std::make_unsigned_t<E>, R>;
    }
  });
}

void decode_nothing(Decoding& d) {
  d.in.run = [](Warp&, const Instruction&) {};
  d.in.kind = Kind::kOther;
}

/// The host keeps memory in order anyway; the checker wants to know that the kernel asked for it.
/// fence.proxy is about other ways to the same memory.
void decode_fence(Decoding& d) {
  decode_nothing(d);
  if (d.op.has("proxy")) return;
  const bool is_in_block = d.op.has("cta");
  d.in.run = is_in_block ? [](Warp& w, const Instruction&) {
    if (w.block->checker != nullptr) w.block->checker->fence(w, false);
  } : [](Warp& w, const Instruction&) {
    if (w.block->checker != nullptr) w.block->checker->fence(w, true);
  };
}

}  // namespace

void add_memory_opcodes(OpcodeTable& table) {
  table["ld"] = [](Decoding& d) { decode_access(d, true); };
  table["ldu"] = table["ld"];
  table["st"] = [](Decoding& d) { decode_access(d, false); };
  for (const char* hint : {"prefetch", "prefetchu", "discard", "applypriority", "griddepcontrol",
                           "nanosleep", "setmaxnreg", "pmevent"}) {
    table[hint] = decode_nothing;
  }
  table["fence"] = decode_fence;
  table["membar"] = decode_fence;
  // createpolicy makes a number that only caches understand.
  table["createpolicy"] = [](Decoding& d) {
    d.in.slot[0] = d.destination(0, type_of<std::uint64_t>());
    d.in.run = [](Warp& w, const Instruction& in) {
      const std::uint64_t policy[kLanes] = {};
      w.store(in.slot[0], policy);
    };
  };
}

}  // namespace switchyard::kernels::xray

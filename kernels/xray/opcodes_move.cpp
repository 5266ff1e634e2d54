#include <cstring>

#include "kernels/xray/decoding.h"

// mov with packing and unpacking, cvta, isspacep, and clocks.

namespace switchyard::kernels::xray {
namespace {

constexpr Type kPredicate{'p', 1};

template <class T>
void decode_copy(Decoding& d, Kind kind = Kind::kMove) {
  d.map<T, T>(kind, [](T a) { return a; });
}

/// mov.b64 {lo, hi}, x and mov.b64 x, {lo, hi}: parts of equal width, the lowest first.
template <class Whole, class Part>
void unpack(Warp& w, const Instruction& in) {
  const Whole* from = w.lanes<Whole>(in.slot[1]);
  Whole copy[kLanes];
  std::memcpy(copy, from, sizeof copy);  // a part may be the register that is taken apart
  for (int part = 0; part < in.count; ++part) {
    Part result[kLanes];
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      result[i] = static_cast<Part>(copy[i] >> (8 * sizeof(Part) * static_cast<unsigned>(part)));
    }
    w.store(w.block->launch->program.slots[in.extra + static_cast<unsigned>(part)], result);
  }
}
template <class Whole, class Part>
void pack(Warp& w, const Instruction& in) {
  Whole result[kLanes] = {};
  for (int part = 0; part < in.count; ++part) {
    const Part* from =
        w.lanes<Part>(w.block->launch->program.slots[in.extra + static_cast<unsigned>(part)]);
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      result[i] = static_cast<Whole>(
          result[i] |
          static_cast<Whole>(Whole{from[i]} << (8 * sizeof(Part) * static_cast<unsigned>(part))));
    }
  }
  w.store(in.slot[0], result);
}

template <class Whole, class Part>
void decode_parts(Decoding& d, bool unpacks) {
  const Operand& parts = d.operand(unpacks ? 0 : 1);
  if (parts.list.size() * sizeof(Part) != sizeof(Whole)) d.fail("the parts do not fill the whole");
  d.in.count = static_cast<std::uint8_t>(parts.list.size());
  for (std::size_t i = 0; i < parts.list.size(); ++i) {
    d.extra(unpacks ? d.destination(parts.list[i], type_of<Part>())
                    : d.source(parts.list[i], type_of<Part>()),
            i == 0);
  }
  if (unpacks) {
    d.in.slot[1] = d.source(1, type_of<Whole>());
    d.in.run = unpack<Whole, Part>;
  } else {
    d.in.slot[0] = d.destination(0, type_of<Whole>());
    d.in.run = pack<Whole, Part>;
  }
}

void decode_vector_move(Decoding& d, bool unpacks) {
  const std::size_t count = d.operand(unpacks ? 0 : 1).list.size();
  const Type type = d.op.type();
  d.expect_operands(2);
  if (type.bits == 64 && count == 2) return decode_parts<std::uint64_t, std::uint32_t>(d, unpacks);
  if (type.bits == 64 && count == 4) return decode_parts<std::uint64_t, std::uint16_t>(d, unpacks);
  if (type.bits == 32 && count == 2) return decode_parts<std::uint32_t, std::uint16_t>(d, unpacks);
  d.not_supported();
}

void move_predicate(Warp& w, const Instruction& in) {
  w.store_predicate(in.slot[0], w.predicate(in.slot[1]));
}

/// %clock and its like: warp instructions that the block has executed.
template <class T>
void read_clock(Warp& w, const Instruction& in) {
  T result[kLanes];
  for (T& x : result) x = static_cast<T>(w.block->executed);
  w.store(in.slot[0], result);
}

void decode_move(Decoding& d) {
  d.in.kind = Kind::kMove;
  d.in.data_flow = DataFlow::kCopy;
  const Type type = d.op.type();
  d.expect_operands(2);
  if (d.operand(0).kind == Operand::Kind::kVector) return decode_vector_move(d, true);
  if (d.operand(1).kind == Operand::Kind::kVector) return decode_vector_move(d, false);
  if (type.kind == 'p') {
    d.in.slot[0] = d.destination(0, kPredicate);
    d.in.slot[1] = d.source(1, kPredicate);
    d.in.run = move_predicate;
    return;
  }
  const std::string_view special =
      d.operand(1).kind == Operand::Kind::kSpecial ? d.operand(1).text : std::string_view{};
  if (special.starts_with("%clock") || special.starts_with("%globaltimer")) {
    d.in.slot[0] = d.destination(0, type);
    d.in.run = type.bits == 64 ? read_clock<std::uint64_t> : read_clock<std::uint32_t>;
    if (type.bits < 32) d.not_supported();
    return;
  }
  with_integer(d, {'b', type.bits}, [&]<class T>() { decode_copy<T>(d); });
}

std::uint64_t window(Decoding& d) {
  if (d.op.has("shared") || d.op.has("shared::cta")) return kSharedWindow;
  if (d.op.has("local")) return kLocalWindow;
  if (d.op.has("param")) return kParamWindow;
  if (d.op.has("global") || d.op.has("const")) return 0;
  d.not_supported();
}

/// cvta adds the space's window to an address, cvta.to takes it off.
void decode_address_conversion(Decoding& d) {
  using U64 = std::uint64_t;
  if (d.op.type().bits != 64) d.not_supported();
  const std::uint64_t base = window(d);
  if (base == 0) {
    decode_copy<U64>(d);
  } else if (d.op.has("to")) {
    d.map<U64, U64>(Kind::kInteger, [](U64 a) { return a & (kWindowBytes - 1); });
  } else if (base == kSharedWindow) {
    d.map<U64, U64>(Kind::kInteger, [](U64 a) { return a + kSharedWindow; });
  } else if (base == kLocalWindow) {
    d.map<U64, U64>(Kind::kInteger, [](U64 a) { return a + kLocalWindow; });
  } else {
    d.map<U64, U64>(Kind::kInteger, [](U64 a) { return a + kParamWindow; });
  }
}

template <std::uint64_t kBase>
void is_in_window(Warp& w, const Instruction& in) {
  const std::uint64_t* a = w.lanes<std::uint64_t>(in.slot[1]);
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const bool inside = kBase == 0 ? a[i] < kSharedWindow : a[i] - kBase < kWindowBytes;
    bits |= (inside ? 1U : 0U) << i;
  }
  w.store_predicate(in.slot[0], bits);
}

void decode_is_space(Decoding& d) {
  d.expect_operands(2);
  d.in.slot[0] = d.destination(0, kPredicate);
  d.in.slot[1] = d.source(1, type_of<std::uint64_t>());
  d.in.kind = Kind::kCompare;
  const std::uint64_t base = window(d);
  d.in.run = base == kSharedWindow  ? is_in_window<kSharedWindow>
             : base == kLocalWindow ? is_in_window<kLocalWindow>
             : base == kParamWindow ? is_in_window<kParamWindow>
                                    : is_in_window<0>;
}

}  // namespace

void add_move_opcodes(OpcodeTable& table) {
  table["mov"] = decode_move;
  table["cvta"] = decode_address_conversion;
  table["isspacep"] = decode_is_space;
}

}  // namespace switchyard::kernels::xray

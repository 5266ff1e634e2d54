#include <bit>

#include "kernels/xray/decoding.h"

// Bitwise logic, shifts, fields of bits, permutations of bytes.

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

template <class F>
void predicate_logic(Warp& w, const Instruction& in) {
  w.store_predicate(in.slot[0], F{}(w.predicate(in.slot[1]), w.predicate(in.slot[2])));
}

template <class F>
void decode_predicate_logic(Decoding& d, F) {
  const Type predicate{'p', 1};
  d.expect_operands(3);
  d.in.slot[0] = d.destination(0, predicate);
  d.in.slot[1] = d.source(1, predicate);
  d.in.slot[2] = d.source(2, predicate);
  d.in.run = predicate_logic<F>;
  d.in.kind = Kind::kCompare;
}

template <class F>
void add_logic(OpcodeTable& table, const std::string& base, F function) {
  table[base + " i"] = [](Decoding& d) {
    with_integer(d, {'b', d.op.type().bits},
                 [&]<class T>() { d.map<T, T, T>(Kind::kInteger, F{}); });
  };
  table[base + " p"] = [=](Decoding& d) { decode_predicate_logic(d, function); };
}

/// Shift amounts are 32 bits wide whatever is shifted, and do not wrap: beyond the width all bits
/// are gone, or equal to the sign.
template <class T>
T shifted_left(T a, U32 by) {
  return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(static_cast<U64>(a) << by);
}
template <class T>
T shifted_right(T a, U32 by) {
  const U32 most = 8 * sizeof(T) - 1;
  if (by > most) return std::is_signed_v<T> ? static_cast<T>(a >> most) : T{0};
  return static_cast<T>(a >> by);
}

/// Bits `position` to `position + length` of a, with copies of the sign above them for signed
/// types. The loop is the manual's own definition.
template <class T>
T field(T a, U32 position, U32 length) {
  constexpr U32 kMost = 8 * sizeof(T) - 1;
  const U32 from = position & 0xFF, bits = length & 0xFF;
  const auto word = static_cast<U64>(static_cast<std::make_unsigned_t<T>>(a));
  const U32 last = from + bits - 1;
  const bool sign =
      std::is_signed_v<T> && bits != 0 && (word >> (last > kMost ? kMost : last) & 1) != 0;
  U64 value = 0;
  for (U32 i = 0; i <= kMost; ++i) {
    const bool bit = i < bits && from + i <= kMost ? (word >> (from + i) & 1) != 0 : sign;
    value |= U64{bit} << i;
  }
  return static_cast<T>(value);
}

template <class T>
T with_field(T a, T b, U32 position, U32 length) {
  constexpr U32 kBits = 8 * sizeof(T);
  const U32 from = position & 0xFF, bits = length & 0xFF;
  if (bits == 0 || from >= kBits) return b;
  const T ones = bits >= kBits ? ~T{0} : static_cast<T>((T{1} << bits) - 1);
  const T mask = ones << from;
  return (b & ~mask) | (a << from & mask);
}

/// Position of the leading bit that differs from the sign (or of the leading one); all ones if
/// none.
template <class T>
U32 leading(T a, bool shift_amount) {
  using U = std::make_unsigned_t<T>;
  const U bits = static_cast<U>(std::is_signed_v<T> && a < 0 ? ~a : a);
  if (bits == 0) return ~U32{0};
  const auto zeros = static_cast<U32>(std::countl_zero(bits));
  return shift_amount ? zeros : static_cast<U32>(8 * sizeof(T) - 1) - zeros;
}

template <class T>
T reversed(T a) {
  T result = 0;
  for (std::size_t i = 0; i < 8 * sizeof(T); ++i) result |= (a >> i & 1) << (8 * sizeof(T) - 1 - i);
  return result;
}

/// Byte `selector & 7` of the eight bytes {b, a}; its sign eight times where bit 3 is set.
U32 selected_byte(U64 bytes, U32 selector) {
  const auto byte = static_cast<U32>(bytes >> (8 * (selector & 7)) & 0xFF);
  return (selector & 8) == 0 ? byte : (byte & 0x80) != 0 ? 0xFF : 0;
}

U32 permuted(U32 a, U32 b, const U32 (&selectors)[4]) {
  const U64 bytes = U64{b} << 32 | a;
  U32 result = 0;
  for (int i = 0; i < 4; ++i) result |= selected_byte(bytes, selectors[i]) << (8 * i);
  return result;
}

void decode_permutation(Decoding& d) {
  const auto map = [&](auto function) { d.map<U32, U32, U32, U32>(Kind::kInteger, function); };
  if (d.op.has("f4e")) {
    map([](U32 a, U32 b, U32 c) {
      const U32 s = c & 3;
      return permuted(a, b, {s, s + 1, s + 2, s + 3});
    });
  } else if (d.op.has("b4e")) {
    map([](U32 a, U32 b, U32 c) {
      const U32 s = c & 3;
      return permuted(a, b, {s, (s + 7) & 7, (s + 6) & 7, (s + 5) & 7});
    });
  } else if (d.op.has("rc8")) {
    map([](U32 a, U32 b, U32 c) {
      const U32 s = c & 3;
      return permuted(a, b, {s, s, s, s});
    });
  } else if (d.op.has("rc16")) {
    map([](U32 a, U32 b, U32 c) {
      const U32 s = 2 * (c & 1);
      return permuted(a, b, {s, s + 1, s, s + 1});
    });
  } else if (d.op.has("ecl") || d.op.has("ecr")) {
    d.not_supported();
  } else {
    map([](U32 a, U32 b, U32 c) {
      return permuted(a, b, {c & 15, c >> 4 & 15, c >> 8 & 15, c >> 12 & 15});
    });
  }
}

/// The table of a function of three bits, applied to each bit of the words.
void any_logic(Warp& w, const Instruction& in) {
  const U32 *a = w.lanes<U32>(in.slot[1]), *b = w.lanes<U32>(in.slot[2]),
            *c = w.lanes<U32>(in.slot[3]);
  U32 result[kLanes] = {};
  for (U32 row = 0; row < 8; ++row) {
    if ((in.option >> row & 1) == 0) continue;
    const U32 x = (row & 4) != 0 ? 0 : ~U32{0}, y = (row & 2) != 0 ? 0 : ~U32{0},
              z = (row & 1) != 0 ? 0 : ~U32{0};
    for (U32 i = 0; i < kLanes; ++i) result[i] |= (a[i] ^ x) & (b[i] ^ y) & (c[i] ^ z);
  }
  w.store(in.slot[0], result);
}

void decode_any_logic(Decoding& d) {
  if (d.op.has("or") || d.op.has("and")) d.not_supported();
  d.expect_operands(5);
  for (std::size_t i = 1; i < 4; ++i) d.in.slot[i] = d.source(i, type_of<U32>());
  d.in.slot[0] = d.destination(0, type_of<U32>());
  d.in.option = static_cast<std::uint8_t>(d.number(4));
  d.in.run = any_logic;
  d.in.kind = Kind::kInteger;
}

void decode_funnel_shift(Decoding& d) {
  const bool left = d.op.has("l"), wraps = d.op.has("wrap");
  const auto map = [&](auto function) { d.map<U32, U32, U32, U32>(Kind::kInteger, function); };
  if (left && wraps) {
    map([](U32 a, U32 b, U32 c) { return static_cast<U32>((U64{b} << 32 | a) << (c & 31) >> 32); });
  } else if (left) {
    map([](U32 a, U32 b, U32 c) {
      return static_cast<U32>((U64{b} << 32 | a) << (c > 32 ? 32 : c) >> 32);
    });
  } else if (wraps) {
    map([](U32 a, U32 b, U32 c) { return static_cast<U32>((U64{b} << 32 | a) >> (c & 31)); });
  } else {
    map([](U32 a, U32 b, U32 c) {
      return static_cast<U32>((U64{b} << 32 | a) >> (c > 32 ? 32 : c));
    });
  }
}

/// popc, clz, bfind give 32 bits whatever they look at.
template <class F>
void decode_count(Decoding& d, F) {
  with_integer(d, d.op.type(), [&]<class T>() {
    if constexpr (sizeof(T) == 2) {
      d.not_supported();
    } else {
      d.map<U32, T>(Kind::kInteger, [](T a) { return F{}(a); });
    }
  });
}

}  // namespace

void add_bit_opcodes(OpcodeTable& table) {
  add_logic(table, "and", [](auto a, auto b) { return a & b; });
  add_logic(table, "or", [](auto a, auto b) { return a | b; });
  add_logic(table, "xor", [](auto a, auto b) { return a ^ b; });
  table["not i"] = [](Decoding& d) {
    with_integer(d, {'b', d.op.type().bits},
                 [&]<class T>() { d.map<T, T>(Kind::kInteger, [](T a) { return ~a; }); });
  };
  table["not p"] = [](Decoding& d) {
    const Type predicate{'p', 1};
    d.expect_operands(2);
    d.in.slot[0] = d.destination(0, predicate);
    d.in.slot[1] = d.source(1, predicate);
    d.in.run = [](Warp& w, const Instruction& in) {
      w.store_predicate(in.slot[0], ~w.predicate(in.slot[1]));
    };
    d.in.kind = Kind::kCompare;
  };
  table["cnot i"] = [](Decoding& d) {
    with_integer(d, {'b', d.op.type().bits}, [&]<class T>() {
      d.map<T, T>(Kind::kInteger, [](T a) { return a == 0 ? T{1} : T{0}; });
    });
  };
  table["shl i"] = [](Decoding& d) {
    with_integer(d, {'b', d.op.type().bits}, [&]<class T>() {
      d.map<T, T, U32>(Kind::kInteger, [](T a, U32 by) { return shifted_left(a, by); });
    });
  };
  table["shr i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, U32>(Kind::kInteger, [](T a, U32 by) { return shifted_right(a, by); });
    });
  };
  table["shf i"] = decode_funnel_shift;
  table["bfe i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, U32, U32>(Kind::kInteger,
                            [](T a, U32 from, U32 bits) { return field<T>(a, from, bits); });
    });
  };
  table["bfi i"] = [](Decoding& d) {
    with_integer(d, {'b', d.op.type().bits}, [&]<class T>() {
      if constexpr (sizeof(T) >= 4) {
        d.map<T, T, T, U32, U32>(Kind::kInteger, [](T a, T b, U32 from, U32 bits) {
          return with_field<T>(a, b, from, bits);
        });
      } else {
        d.not_supported();
      }
    });
  };
  table["bfind i"] = [](Decoding& d) {
    if (d.op.has("shiftamt")) {
      decode_count(d, [](auto a) { return leading(a, true); });
    } else {
      decode_count(d, [](auto a) { return leading(a, false); });
    }
  };
  table["popc i"] = [](Decoding& d) {
    decode_count(d, [](auto a) {
      return static_cast<U32>(std::popcount(static_cast<std::make_unsigned_t<decltype(a)>>(a)));
    });
  };
  table["clz i"] = [](Decoding& d) {
    decode_count(d, [](auto a) {
      return static_cast<U32>(std::countl_zero(static_cast<std::make_unsigned_t<decltype(a)>>(a)));
    });
  };
  table["brev i"] = [](Decoding& d) {
    with_integer(d, {'b', d.op.type().bits}, [&]<class T>() {
      if constexpr (sizeof(T) >= 4) {
        d.map<T, T>(Kind::kInteger, [](T a) { return reversed(a); });
      } else {
        d.not_supported();
      }
    });
  };
  table["bmsk i"] = [](Decoding& d) {
    if (d.op.has("wrap")) d.not_supported();
    d.map<U32, U32, U32>(Kind::kInteger, [](U32 from, U32 bits) {
      const U32 ones = bits >= 32 ? ~U32{0} : (U32{1} << bits) - 1;
      return from >= 32 ? U32{0} : ones << from;
    });
  };
  table["prmt i"] = decode_permutation;
  table["lop3 i"] = decode_any_logic;
}

}  // namespace switchyard::kernels::xray

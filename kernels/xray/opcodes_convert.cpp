#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// cvt: every number passes through a 64-bit integer or a double, which hold all of PTX's types
// exactly. The frequent conversions between integers have loops of their own.

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

/// What a cvt does, packed into Instruction fields: types in `count` and `bytes` as indices into
/// kTypes, register widths in `address_bits`, modifiers in `option`.
constexpr Type kTypes[] = {{'u', 8},  {'u', 16}, {'u', 32}, {'u', 64}, {'s', 8},
                           {'s', 16}, {'s', 32}, {'s', 64}, {'f', 16}, {'f', 32},
                           {'f', 64}, {'h', 16}, {'t', 32}};
constexpr std::uint8_t kFlush = 1, kSaturate = 2, kToInteger = 4, kRelu = 8, kAway = 16;
constexpr int kRoundingShift = 5;

std::uint8_t type_index(Decoding& d, Type type) {
  for (std::uint8_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i] == type || (type.kind == 'b' && kTypes[i] == Type{'u', type.bits})) return i;
  }
  d.not_supported();
}

bool is_integer(Type type) { return type.kind == 'u' || type.kind == 's'; }

void read_bits(const Warp& w, Slot slot, int register_bits, U64 (&bits)[kLanes]) {
  const auto read = [&]<class T>() {
    const T* from = w.lanes<T>(slot);
    for (U32 i = 0; i < kLanes; ++i) bits[i] = from[i];
  };
  if (register_bits == 16) return read.operator()<std::uint16_t>();
  if (register_bits == 32) return read.operator()<U32>();
  read.operator()<U64>();
}

void write_bits(const Warp& w, Slot slot, int register_bits, const U64 (&bits)[kLanes]) {
  const auto write = [&]<class T>() {
    T result[kLanes];
    for (U32 i = 0; i < kLanes; ++i) result[i] = static_cast<T>(bits[i]);
    w.store(slot, result);
  };
  if (register_bits == 16) return write.operator()<std::uint16_t>();
  if (register_bits == 32) return write.operator()<U32>();
  write.operator()<U64>();
}

/// The low `type.bits` of a register as a signed or unsigned number in 64 bits.
U64 extended(U64 bits, Type type) {
  const int unused = 64 - type.bits;
  return type.kind == 's' ? static_cast<U64>(static_cast<std::int64_t>(bits << unused) >> unused)
                          : bits << unused >> unused;
}

double as_double(U64 bits, Type type) {
  if (type.kind == 'f' && type.bits == 64) return std::bit_cast<double>(bits);
  if (type.kind == 'h')
    return static_cast<float>(std::bit_cast<BrainFloat>(static_cast<std::uint16_t>(bits)));
  if (type.bits == 16)
    return static_cast<float>(std::bit_cast<HalfFloat>(static_cast<std::uint16_t>(bits)));
  return std::bit_cast<float>(static_cast<U32>(bits));
}

double to_integral(double x, Rounding rounding) {
  switch (rounding) {
    case Rounding::kZero:
      return std::trunc(x);
    case Rounding::kDown:
      return std::floor(x);
    case Rounding::kUp:
      return std::ceil(x);
    default:
      return std::nearbyint(x);
  }
}

/// Clamps to what the type holds; NaN becomes 0 (PTX ISA, cvt).
U64 clamped(double x, Type type) {
  if (x != x) return 0;
  const double most = std::ldexp(1.0, type.kind == 's' ? type.bits - 1 : type.bits);
  const double least = type.kind == 's' ? -most : 0.0;
  const U64 half = U64{1} << (type.bits - 1);
  if (x >= most) return type.kind == 's' ? half - 1 : half - 1 + half;
  if (x <= least) return type.kind == 's' ? U64{0} - half : 0;
  return type.kind == 's' ? static_cast<U64>(static_cast<std::int64_t>(x)) : static_cast<U64>(x);
}

U64 clamped_integer(U64 bits, Type from, Type to) {
  const U64 half = U64{1} << (to.bits - 1);
  const U64 most = to.kind == 's' ? half - 1 : half - 1 + half;
  const auto value = static_cast<std::int64_t>(bits);
  if (from.kind == 's' && value < 0) {
    if (to.kind == 'u') return 0;
    const auto least = static_cast<std::int64_t>(U64{0} - (U64{1} << (to.bits - 1)));
    return static_cast<U64>(value < least ? least : value);
  }
  return bits > most ? most : bits;
}

/// The next narrower format's bits of a number, rounded once in the given way.
template <int kFraction, int kLeastExponent, int kMostExponent>
double cut(double x, Rounding rounding, bool away) {
  if (x == 0 || !std::isfinite(x)) return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  const int unit = std::max(exponent - 1, kLeastExponent) - kFraction;
  const double scaled = std::ldexp(x, -unit);
  const double rounded = away ? std::round(scaled) : to_integral(scaled, rounding);
  const double result = std::ldexp(rounded, unit);
  const double most = std::ldexp(2.0 - std::ldexp(1.0, -kFraction), kMostExponent);
  if (std::fabs(result) <= most) return std::copysign(result, x);
  const bool to_infinity = rounding == Rounding::kNearest || away ||
                           (rounding == Rounding::kUp && x > 0) ||
                           (rounding == Rounding::kDown && x < 0);
  return std::copysign(to_infinity ? std::numeric_limits<double>::infinity() : most, x);
}

U64 from_double(double x, Type type, Rounding rounding, bool away) {
  if (type.bits == 64) return std::bit_cast<U64>(x);
  if (type.kind == 'h')
    return BrainFloat(static_cast<float>(cut<7, -126, 127>(x, rounding, away))).bits;
  if (type.kind == 't') {
    if (x != x) return 0x7FFFFFFF;
    return std::bit_cast<U32>(static_cast<float>(cut<10, -126, 127>(x, rounding, away)));
  }
  if (type.bits == 16)
    return HalfFloat(static_cast<float>(cut<10, -14, 15>(x, rounding, away))).bits;
  if (rounding == Rounding::kNearest) return std::bit_cast<U32>(static_cast<float>(x));
  return std::bit_cast<U32>(static_cast<float>(cut<23, -126, 127>(x, rounding, false)));
}

/// Rounds once: where a double cannot hold the integer, the bits that it loses are kept alive in
/// its last one (rounding to odd), or decide the direction where the double is the result.
U64 integer_to_float(U64 bits, Type from, Type to, Rounding rounding) {
  const bool negative = from.kind == 's' && static_cast<std::int64_t>(bits) < 0;
  const U64 size = negative ? U64{0} - bits : bits;
  if (to == Type{'f', 64} && rounding == Rounding::kNearest) {
    const auto x = static_cast<double>(size);
    return std::bit_cast<U64>(negative ? -x : x);
  }
  const int lost = std::max(11 - std::countl_zero(size), 0);
  const U64 kept = size >> lost;
  const bool is_exact = kept << lost == size;
  double x = std::ldexp(static_cast<double>(is_exact || to.bits == 64 ? kept : kept | 1), lost);
  if (to.bits == 64 && !is_exact && rounding == (negative ? Rounding::kDown : Rounding::kUp)) {
    x = std::nextafter(x, std::numeric_limits<double>::infinity());
  }
  return from_double(negative ? -x : x, to, rounding, false);
}

void convert(Warp& w, const Instruction& in) {
  const Type to = kTypes[in.count], from = kTypes[in.bytes];
  const int to_bits = 16 << (in.address_bits & 3), from_bits = 16 << (in.address_bits >> 2);
  const auto rounding = static_cast<Rounding>(in.option >> kRoundingShift & 3);
  const bool flush = (in.option & kFlush) != 0, saturate = (in.option & kSaturate) != 0;
  const bool to_whole = (in.option & kToInteger) != 0, away = (in.option & kAway) != 0;
  U64 bits[kLanes];
  read_bits(w, in.slot[1], from_bits, bits);
  for (U32 i = 0; i < kLanes; ++i) {
    if (is_integer(from)) {
      U64 value = extended(bits[i], from);
      if (is_integer(to)) {
        if (saturate) value = clamped_integer(value, from, to);
        bits[i] = extended(value, to);
      } else {
        bits[i] = integer_to_float(value, from, to, rounding);
      }
      continue;
    }
    double x = as_double(bits[i], from);
    if (flush && from == Type{'f', 32}) x = static_cast<double>(flushed(static_cast<float>(x)));
    if (is_integer(to)) {
      bits[i] = clamped(to_integral(x, rounding), to);
      continue;
    }
    if (to_whole) x = to_integral(x, rounding);
    if (saturate) x = saturated(x);
    if ((in.option & kRelu) != 0 && x < 0) x = 0;
    bits[i] = from_double(x, to, to_whole ? Rounding::kNearest : rounding, away);
    if (flush && to == Type{'f', 32}) {
      bits[i] = std::bit_cast<U32>(flushed(std::bit_cast<float>(static_cast<U32>(bits[i]))));
    }
  }
  write_bits(w, in.slot[0], to_bits, bits);
}

/// cvt.rn.bf16x2.f32 d, a, b: a in the upper half.
void convert_pair(Warp& w, const Instruction& in) {
  const Type to = kTypes[in.count];
  const float *a = w.lanes<float>(in.slot[1]), *b = w.lanes<float>(in.slot[2]);
  const auto rounding = static_cast<Rounding>(in.option >> kRoundingShift & 3);
  U32 result[kLanes];
  for (U32 i = 0; i < kLanes; ++i) {
    float x = a[i], y = b[i];
    if ((in.option & kRelu) != 0) x = x < 0 ? 0.0F : x, y = y < 0 ? 0.0F : y;
    result[i] = static_cast<U32>(from_double(static_cast<double>(x), to, rounding, false) << 16 |
                                 from_double(static_cast<double>(y), to, rounding, false));
  }
  w.store(in.slot[0], result);
}

Rounding rounding_of(const Opcode& op, bool to_integer) {
  const char* zero = to_integer ? "rzi" : "rz";
  const char* down = to_integer ? "rmi" : "rm";
  const char* up = to_integer ? "rpi" : "rp";
  return op.has(zero)   ? Rounding::kZero
         : op.has(down) ? Rounding::kDown
         : op.has(up)   ? Rounding::kUp
                        : Rounding::kNearest;
}

std::uint8_t width_code(Decoding& d, std::size_t i, Type type) {
  int bits = d.register_bits(d.operand(i));
  if (bits == 0) bits = std::max<int>(type.bits, 16);
  if (bits < type.bits || bits > 64 || bits < 16) d.fail("a register does not fit the type");
  return static_cast<std::uint8_t>(bits == 16 ? 0 : bits == 32 ? 1 : 2);
}

void decode_pair(Decoding& d) {
  if (d.op.types[1] != Type{'f', 32} || d.operands() != 3 || d.op.has("satfinite"))
    d.not_supported();
  d.in.slot[0] = d.destination(0, type_of<U32>());
  d.in.slot[1] = d.source(1, d.op.types[1]);
  d.in.slot[2] = d.source(2, d.op.types[1]);
  d.in.count = type_index(d, d.op.has("bf16x2") ? Type{'h', 16} : Type{'f', 16});
  d.in.option =
      static_cast<std::uint8_t>((d.op.has("relu") ? kRelu : 0) |
                                static_cast<unsigned>(rounding_of(d.op, false)) << kRoundingShift);
  d.in.run = convert_pair;
}

void decode_conversion(Decoding& d) {
  d.in.kind = Kind::kConvert;
  if (d.op.types.size() != 2) d.fail("cvt has two types");
  if (d.op.has("bf16x2") || d.op.has("f16x2")) return decode_pair(d);
  if (d.op.has("satfinite") || d.op.has("rs")) d.not_supported();
  const Type to = d.op.types[0], from = d.op.types[1];
  d.expect_operands(2);
  d.in.count = type_index(d, to);
  d.in.bytes = type_index(d, from);
  const std::uint8_t to_width = width_code(d, 0, to), from_width = width_code(d, 1, from);
  const auto bits = [](std::uint8_t code) { return static_cast<std::uint8_t>(16 << code); };
  d.in.slot[0] = d.destination(0, {'b', bits(to_width)});
  d.in.slot[1] = d.source(1, {'b', bits(from_width)});
  const bool to_integer =
      is_integer(to) || d.op.has("rni") || d.op.has("rzi") || d.op.has("rmi") || d.op.has("rpi");
  d.in.option = static_cast<std::uint8_t>(
      (d.op.has("ftz") ? kFlush : 0) | (d.op.has("sat") ? kSaturate : 0) |
      (to_integer ? kToInteger : 0) | (d.op.has("relu") ? kRelu : 0) |
      (d.op.has("rna") ? kAway : 0) |
      static_cast<unsigned>(rounding_of(d.op, to_integer)) << kRoundingShift);
  d.in.address_bits = static_cast<std::uint8_t>(to_width | from_width << 2);
  d.in.run = convert;
  if (d.op.has("sat")) return;
  const auto is = [&](Type t, std::uint8_t tw, Type f, std::uint8_t fw) {
    return to.bits == t.bits && is_integer(to) && to_width == tw && from == f && from_width == fw;
  };
  if (is({'u', 32}, 1, {'u', 64}, 2)) d.in.run = lift<U32, U64>([](U64 a) { return a; });
  if (is({'s', 64}, 2, {'s', 32}, 1)) {
    d.in.run = lift<std::int64_t, std::int32_t>([](std::int32_t a) { return a; });
  }
  if (is({'u', 64}, 2, {'u', 32}, 1)) d.in.run = lift<U64, U32>([](U32 a) { return a; });
}

}  // namespace

void add_convert_opcodes(OpcodeTable& table) { table["cvt"] = decode_conversion; }

}  // namespace switchyard::kernels::xray

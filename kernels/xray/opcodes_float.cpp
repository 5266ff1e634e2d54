#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// float32 and float64. Exact instructions are the host's own, which rounds as IEEE 754 says. The
// approximate ones (.approx, .full) are the host's functions: more exact than a GPU's, which
// promise an error only (PTX ISA, "Floating Point Instructions").

namespace switchyard::kernels::xray {
namespace {

// Instruction::option: flush subnormals, saturate, and a Rounding above them.
constexpr std::uint8_t kFlush = 1, kSaturate = 2;
constexpr int kRoundingShift = 2;

template <class F, class T, class... A, std::size_t... I>
void special_lanes(Warp& w, const Instruction& in, std::index_sequence<I...>) {
  constexpr std::size_t kOperands = sizeof...(A);
  T from[kOperands][kLanes];
  T result[kLanes];
  const bool flush = (in.option & kFlush) != 0;
  for (std::size_t k = 0; k < kOperands; ++k) {
    const T* operand = w.lanes<T>(in.slot[k + 1]);
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      from[k][i] = flush ? flushed(operand[i]) : operand[i];
    }
  }
  {
    const RoundingScope scope(static_cast<Rounding>(in.option >> kRoundingShift));
    RoundingScope::settle(from);
    for (std::uint32_t i = 0; i < kLanes; ++i) result[i] = F{}(from[I][i]...);
    RoundingScope::settle(result);
  }
  if (flush) {
    for (T& x : result) x = flushed(x);
  }
  if ((in.option & kSaturate) != 0) {
    for (T& x : result) x = saturated(x);
  }
  w.store(in.slot[0], result);
}

Rounding rounding_of(const Opcode& op) {
  return op.has("rz")   ? Rounding::kZero
         : op.has("rm") ? Rounding::kDown
         : op.has("rp") ? Rounding::kUp
                        : Rounding::kNearest;
}

/// As Decoding::map() for a type T, with whatever modifiers the opcode has.
template <class T, class... A, class F>
void map_float(Decoding& d, F function, int flops, Kind kind) {
  d.map<T, A...>(kind, function, flops);
  const auto rounding = static_cast<unsigned>(rounding_of(d.op));
  d.in.option =
      static_cast<std::uint8_t>((d.op.has("ftz") ? kFlush : 0) | (d.op.has("sat") ? kSaturate : 0) |
                                rounding << kRoundingShift);
  if (d.in.option != 0) {
    d.in.run = [](Warp& w, const Instruction& in) {
      special_lanes<F, T, A...>(w, in, std::index_sequence_for<A...>{});
    };
  }
}

template <class F>
void decode_unary(Decoding& d, F function, int flops, Kind single, Kind twice) {
  if (d.op.type().bits == 64) {
    map_float<double, double>(d, function, flops, twice);
  } else {
    map_float<float, float>(d, function, flops, single);
  }
}
template <class F>
void decode_binary(Decoding& d, F function, int flops) {
  if (d.op.has("f32x2")) d.not_supported();
  if (d.op.type().bits == 64) {
    map_float<double, double, double>(d, function, flops, Kind::kFloat64);
  } else {
    map_float<float, float, float>(d, function, flops, Kind::kFloat32);
  }
}
template <class F>
void decode_ternary(Decoding& d, F function, int flops) {
  if (d.op.has("f32x2")) d.not_supported();
  if (d.op.type().bits == 64) {
    map_float<double, double, double, double>(d, function, flops, Kind::kFloat64);
  } else {
    map_float<float, float, float, float>(d, function, flops, Kind::kFloat32);
  }
}

template <class F>
void add_binary(OpcodeTable& table, const char* name, F function, int flops) {
  table[std::string(name) + " f"] = [=](Decoding& d) { decode_binary(d, function, flops); };
}
/// A function of the unit for special functions.
template <class F>
void add_special(OpcodeTable& table, const char* name, F function) {
  table[std::string(name) + " f"] = [=](Decoding& d) {
    decode_unary(d, function, 1, Kind::kSpecial, Kind::kFloat64);
  };
}

template <class F, class N>
void add_extreme(OpcodeTable& table, const char* name, F function, N nan_wins) {
  table[std::string(name) + " f"] = [=](Decoding& d) {
    if (d.op.has("xorsign") || d.operands() != 3) d.not_supported();
    if (d.op.has("NaN")) {
      decode_binary(d, nan_wins, 0);
    } else {
      decode_binary(d, function, 0);
    }
  };
}

void add_sums_and_products(OpcodeTable& table) {
  add_binary(
      table, "add", [](auto a, auto b) { return a + b; }, 1);
  add_binary(
      table, "sub", [](auto a, auto b) { return a - b; }, 1);
  add_binary(
      table, "mul", [](auto a, auto b) { return a * b; }, 1);
  add_binary(
      table, "div", [](auto a, auto b) { return a / b; }, 1);
  table["fma f"] = [](Decoding& d) {
    decode_ternary(
        d, [](auto a, auto b, auto c) { return std::fma(a, b, c); }, 2);
  };
  table["mad f"] = table["fma f"];
  add_extreme(
      table, "min", [](auto a, auto b) { return least(a, b); },
      [](auto a, auto b) { return a != a || b != b ? a + b : least(a, b); });
  add_extreme(
      table, "max", [](auto a, auto b) { return greatest(a, b); },
      [](auto a, auto b) { return a != a || b != b ? a + b : greatest(a, b); });
  // copysign.f32 d, a, b: b with a's sign.
  add_binary(
      table, "copysign", [](auto a, auto b) { return std::copysign(b, a); }, 0);
  table["neg f"] = [](Decoding& d) {
    decode_unary(
        d, [](auto a) { return -a; }, 0, Kind::kFloat32, Kind::kFloat64);
  };
  table["abs f"] = [](Decoding& d) {
    decode_unary(
        d, [](auto a) { return std::fabs(a); }, 0, Kind::kFloat32, Kind::kFloat64);
  };
}

}  // namespace

void add_float_opcodes(OpcodeTable& table) {
  add_sums_and_products(table);
  add_special(table, "rcp", [](auto a) { return decltype(a){1} / a; });
  add_special(table, "sqrt", [](auto a) { return std::sqrt(a); });
  add_special(table, "rsqrt", [](auto a) { return decltype(a){1} / std::sqrt(a); });
  add_special(table, "ex2", [](auto a) { return std::exp2(a); });
  add_special(table, "lg2", [](auto a) { return std::log2(a); });
  add_special(table, "sin", [](auto a) { return std::sin(a); });
  add_special(table, "cos", [](auto a) { return std::cos(a); });
  add_special(table, "tanh", [](auto a) { return std::tanh(a); });
}

}  // namespace switchyard::kernels::xray

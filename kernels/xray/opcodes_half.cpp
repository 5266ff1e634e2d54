#include <cmath>
#include <type_traits>

#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// fp16 and bfloat16, alone and in pairs. Sums and products of two operands are formed in float32,
// where they are exact, or rounded far below the result's last place; fused ones in float64. So a
// result is rounded once.

namespace switchyard::kernels::xray {
namespace {

/// Instruction::option
constexpr std::uint8_t kSaturate = 1, kRelu = 2, kFlush = 4;

template <class H>
H finished(float value, std::uint8_t option) {
  if ((option & kSaturate) != 0) value = saturated(value);
  if ((option & kRelu) != 0) value = value != value ? value : value > 0 ? value : 0.0F;
  if ((option & kFlush) != 0 && std::fabs(value) < 0x1p-14F) value = std::copysign(0.0F, value);
  return H(value);
}

/// Rounds to the 11 or 8 significant bits of H with only one rounding, although it passes through
/// float32: the bits that are lost there are kept alive in the last one (rounding to odd).
inline float narrowed(double value) {
  const auto near = static_cast<float>(value);
  if (!std::isfinite(near) || static_cast<double>(near) == value) return near;
  const auto bits = std::bit_cast<std::uint32_t>(near);
  const bool too_large = std::fabs(static_cast<double>(near)) > std::fabs(value);
  const std::uint32_t towards_zero = too_large ? bits - 1 : bits;
  return std::bit_cast<float>(towards_zero | 1U);
}

/// Applies F to each half of the registers; W is their type, with one or two of H in it.
template <class H, class W, class F, std::size_t kOperands>
void halves(Warp& w, const Instruction& in) {
  constexpr int kParts = sizeof(W) / 2;
  W result[kLanes] = {};
  for_lanes(w.active, [&](std::uint32_t lane) {
    for (int part = 0; part < kParts; ++part) {
      double x[3] = {};
      for (std::size_t k = 0; k < kOperands; ++k) {
        const auto bits =
            static_cast<std::uint16_t>(w.lanes<W>(in.slot[k + 1])[lane] >> (16 * part));
        x[k] = static_cast<double>(static_cast<float>(std::bit_cast<H>(bits)));
      }
      const H value = finished<H>(narrowed(F{}(x[0], x[1], x[2])), in.option);
      result[lane] = static_cast<W>(result[lane] | static_cast<W>(W{value.bits} << (16 * part)));
    }
  });
  w.store(in.slot[0], result);
}

template <std::size_t kOperands, class F>
void decode_halves(Decoding& d, F, int flops) {
  const Type type = d.op.type();
  const bool is_brain = type.kind == 'h';
  const bool is_pair = type.bits == 32;
  d.expect_operands(kOperands + 1);
  d.in.slot[0] = d.destination(0, type);
  for (std::size_t i = 1; i <= kOperands; ++i) d.in.slot[i] = d.source(i, type);
  d.in.option =
      static_cast<std::uint8_t>((d.op.has("sat") ? kSaturate : 0) | (d.op.has("relu") ? kRelu : 0) |
                                (d.op.has("ftz") ? kFlush : 0));
  if (is_pair) {
    d.in.run = is_brain ? halves<BrainFloat, std::uint32_t, F, kOperands>
                        : halves<HalfFloat, std::uint32_t, F, kOperands>;
  } else {
    d.in.run = is_brain ? halves<BrainFloat, std::uint16_t, F, kOperands>
                        : halves<HalfFloat, std::uint16_t, F, kOperands>;
  }
  d.in.kind = Kind::kHalf;
  d.in.flops = static_cast<std::uint16_t>(flops * (is_pair ? 2 : 1));
}

template <std::size_t kOperands, class F>
void add_halves(OpcodeTable& table, const char* name, F function, int flops) {
  table[std::string(name) + " h"] = [=](Decoding& d) {
    decode_halves<kOperands>(d, function, flops);
  };
}

/// neg and abs touch the sign alone, of NaN too.
template <std::uint32_t kAnd, std::uint32_t kXor>
void decode_sign(Decoding& d) {
  with_integer(d, {'b', d.op.type().bits}, [&]<class T>() {
    d.map<T, T>(Kind::kHalf, [](T a) { return static_cast<T>((a & kAnd) ^ kXor); });
  });
}

}  // namespace

void add_half_opcodes(OpcodeTable& table) {
  add_halves<2>(
      table, "add", [](double a, double b, double) { return a + b; }, 1);
  add_halves<2>(
      table, "sub", [](double a, double b, double) { return a - b; }, 1);
  add_halves<2>(
      table, "mul", [](double a, double b, double) { return a * b; }, 1);
  add_halves<3>(
      table, "fma", [](double a, double b, double c) { return std::fma(a, b, c); }, 2);
  add_halves<1>(
      table, "ex2", [](double a, double, double) { return std::exp2(a); }, 1);
  add_halves<1>(
      table, "tanh", [](double a, double, double) { return std::tanh(a); }, 1);
  table["min h"] = [](Decoding& d) {
    if (d.op.has("xorsign")) d.not_supported();
    if (d.op.has("NaN")) {
      decode_halves<2>(
          d, [](double a, double b, double) { return a != a || b != b ? a + b : least(a, b); }, 0);
    } else {
      decode_halves<2>(
          d, [](double a, double b, double) { return least(a, b); }, 0);
    }
  };
  table["max h"] = [](Decoding& d) {
    if (d.op.has("xorsign")) d.not_supported();
    if (d.op.has("NaN")) {
      decode_halves<2>(
          d, [](double a, double b, double) { return a != a || b != b ? a + b : greatest(a, b); },
          0);
    } else {
      decode_halves<2>(
          d, [](double a, double b, double) { return greatest(a, b); }, 0);
    }
  };
  table["neg h"] = decode_sign<0xFFFFFFFFU, 0x80008000U>;
  table["abs h"] = decode_sign<0x7FFF7FFFU, 0U>;
}

}  // namespace switchyard::kernels::xray

#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/xray/decoding.h"

// Integer arithmetic. PTX wraps around; C++ does so for unsigned types alone, so that is where sums
// and products are formed.

namespace switchyard::kernels::xray {
namespace {

/// An unsigned type that holds the product of two T without promotion to a signed int.
template <class T>
using Modular = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

// 128-bit integers are an extension that -Wpedantic reports by their name alone.
__extension__ typedef __int128 Signed128;
__extension__ typedef unsigned __int128 Unsigned128;

template <class T>
using Twice = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>,
    std::conditional_t<sizeof(T) == 4,
                       std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, Signed128, Unsigned128>>>;

template <class T>
T high(T a, T b) {
  return static_cast<T>((static_cast<Twice<T>>(a) * static_cast<Twice<T>>(b)) >> (8 * sizeof(T)));
}

template <class T>
T low(T a, T b) {
  return static_cast<T>(static_cast<Modular<T>>(a) * static_cast<Modular<T>>(b));
}

template <class T>
T plus(T a, T b) {
  return static_cast<T>(static_cast<Modular<T>>(a) + static_cast<Modular<T>>(b));
}

/// a / b where b may be 0, for which PTX leaves the result open: all ones, as GPUs give it.
template <class T>
T quotient(T a, T b) {
  if (b == 0) return static_cast<T>(-1);
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) {
    return static_cast<T>(0 - static_cast<Modular<T>>(a));
  }
  return static_cast<T>(a / b);
}

template <class T>
T remainder(T a, T b) {
  if (b == 0) return a;
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
  return static_cast<T>(a % b);
}

/// .sat, which only s32 has.
std::int32_t saturated_sum(std::int32_t a, std::int32_t b, bool subtract) {
  const std::int64_t wide = subtract ? std::int64_t{a} - b : std::int64_t{a} + b;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(
      wide, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
}

/// add, sub, mad.lo with carries: .cc writes CC.CF, addc/subc/madc read it.
template <class T, bool kSubtract>
void add_with_carry(Warp& w, const Instruction& in) {
  const bool reads = (in.option & 1) != 0, writes = (in.option & 2) != 0;
  const T *a = w.lanes<T>(in.slot[1]), *b = w.lanes<T>(in.slot[2]);
  T result[kLanes];
  std::uint32_t carry = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const auto in_carry = static_cast<T>(reads ? w.carry >> i & 1 : 0);
    // Subtraction borrows where the flag is set.
    const T first = kSubtract ? static_cast<T>(a[i] - b[i]) : static_cast<T>(a[i] + b[i]);
    result[i] = kSubtract ? static_cast<T>(first - in_carry) : static_cast<T>(first + in_carry);
    const bool out =
        kSubtract ? a[i] < b[i] || first < in_carry : first < a[i] || result[i] < first;
    carry |= (out ? 1U : 0U) << i;
  }
  if (writes) w.carry = (w.carry & ~w.active) | (carry & w.active);
  w.store(in.slot[0], result);
}

template <class T, bool kHigh>
void multiply_with_carry(Warp& w, const Instruction& in) {
  const bool reads = (in.option & 1) != 0, writes = (in.option & 2) != 0;
  const T *a = w.lanes<T>(in.slot[1]), *b = w.lanes<T>(in.slot[2]), *c = w.lanes<T>(in.slot[3]);
  T result[kLanes];
  std::uint32_t carry = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const T product = kHigh ? high<T>(a[i], b[i]) : low<T>(a[i], b[i]);
    const T first = plus<T>(product, c[i]);
    result[i] = plus<T>(first, static_cast<T>(reads ? w.carry >> i & 1 : 0));
    const bool out = std::make_unsigned_t<T>(first) < std::make_unsigned_t<T>(product) ||
                     std::make_unsigned_t<T>(result[i]) < std::make_unsigned_t<T>(first);
    carry |= (out ? 1U : 0U) << i;
  }
  if (writes) w.carry = (w.carry & ~w.active) | (carry & w.active);
  w.store(in.slot[0], result);
}

std::uint8_t carry_option(const Decoding& d, bool reads) {
  return static_cast<std::uint8_t>((reads ? 1 : 0) | (d.op.has("cc") ? 2 : 0));
}

template <bool kSubtract>
void decode_sum(Decoding& d, bool reads_carry) {
  Type type = d.op.type();
  if (reads_carry || d.op.has("cc")) {
    type.kind = 'u';
    with_integer(d, type, [&]<class T>() {
      d.map<T, T, T>(Kind::kInteger, [](T a, T) { return a; });
      d.in.run = add_with_carry<T, kSubtract>;
    });
    d.in.option = carry_option(d, reads_carry);
    return;
  }
  if (d.op.has("sat")) {
    using S32 = std::int32_t;
    return d.map<S32, S32, S32>(Kind::kInteger,
                                [](S32 a, S32 b) { return saturated_sum(a, b, kSubtract); });
  }
  with_integer(d, type, [&]<class T>() {
    d.map<T, T, T>(Kind::kInteger, [](T a, T b) {
      return kSubtract ? static_cast<Modular<T>>(a) - static_cast<Modular<T>>(b)
                       : static_cast<Modular<T>>(a) + static_cast<Modular<T>>(b);
    });
  });
}

void decode_product(Decoding& d) {
  with_integer(d, d.op.type(), [&]<class T>() {
    if (d.op.has("wide")) {
      if constexpr (sizeof(T) < 8) {
        return d.map<Twice<T>, T, T>(Kind::kInteger, [](T a, T b) {
          return static_cast<Twice<T>>(a) * static_cast<Twice<T>>(b);
        });
      }
    }
    if (d.op.has("hi")) return d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return high(a, b); });
    d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return low(a, b); });
  });
}

void decode_multiply_add(Decoding& d, bool reads_carry) {
  if (reads_carry || d.op.has("cc")) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, T, T>(Kind::kInteger, [](T a, T, T) { return a; });
      d.in.run = d.op.has("hi") ? multiply_with_carry<T, true> : multiply_with_carry<T, false>;
    });
    d.in.option = carry_option(d, reads_carry);
    return;
  }
  with_integer(d, d.op.type(), [&]<class T>() {
    if (d.op.has("wide")) {
      if constexpr (sizeof(T) < 8) {
        using W = Twice<T>;
        return d.map<W, T, T, W>(Kind::kInteger, [](T a, T b, W c) {
          return plus<W>(static_cast<W>(static_cast<W>(a) * static_cast<W>(b)), c);
        });
      }
    }
    if (d.op.has("hi")) {
      return d.map<T, T, T, T>(Kind::kInteger, [](T a, T b, T c) { return plus(high(a, b), c); });
    }
    d.map<T, T, T, T>(Kind::kInteger, [](T a, T b, T c) { return plus(low(a, b), c); });
  });
}

/// The lower half of a product of 24-bit numbers.
template <class T>
T product_24(T a, T b) {
  const auto cut = [](T x) {
    return static_cast<Twice<T>>(
        static_cast<T>(static_cast<T>(static_cast<std::uint32_t>(x) << 8) >> 8));
  };
  return static_cast<T>(cut(a) * cut(b));
}

template <bool kAdd>
void decode_24_bits(Decoding& d) {
  if (d.op.has("hi")) d.not_supported();
  const auto decode = [&]<class T>() {
    if constexpr (kAdd) {
      d.map<T, T, T, T>(Kind::kInteger, [](T a, T b, T c) { return plus(product_24(a, b), c); });
    } else {
      d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return product_24(a, b); });
    }
  };
  if (d.op.type().kind == 's') {
    decode.template operator()<std::int32_t>();
  } else {
    decode.template operator()<std::uint32_t>();
  }
}

/// Dot products of four bytes, or of two halves of `a` with two bytes of `b`.
template <class A, class B, int kWide>
void decode_dot(Decoding& d) {
  d.map<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>(
      Kind::kInteger, [](std::uint32_t a, std::uint32_t b, std::uint32_t c) {
        std::uint32_t sum = c;
        constexpr int kBits = 8 * static_cast<int>(sizeof(A));
        for (int i = 0; i < 32 / kBits; ++i) {
          const auto x = static_cast<A>(a >> (kBits * i));
          const auto y = static_cast<B>(b >> (8 * i + kWide));
          sum += static_cast<std::uint32_t>(static_cast<std::int32_t>(x) *
                                            static_cast<std::int32_t>(y));
        }
        return sum;
      });
}

void decode_dot_of_bytes(Decoding& d) {
  if (d.op.types.size() != 2) d.fail("expected two types");
  const bool a = d.op.types[0].kind == 's', b = d.op.types[1].kind == 's';
  if (d.op.base == "dp4a") {
    if (a)
      return b ? decode_dot<std::int8_t, std::int8_t, 0>(d)
               : decode_dot<std::int8_t, std::uint8_t, 0>(d);
    return b ? decode_dot<std::uint8_t, std::int8_t, 0>(d)
             : decode_dot<std::uint8_t, std::uint8_t, 0>(d);
  }
  const bool hi = d.op.has("hi");
  if (a && b)
    return hi ? decode_dot<std::int16_t, std::int8_t, 16>(d)
              : decode_dot<std::int16_t, std::int8_t, 0>(d);
  if (!a && !b)
    return hi ? decode_dot<std::uint16_t, std::uint8_t, 16>(d)
              : decode_dot<std::uint16_t, std::uint8_t, 0>(d);
  d.not_supported();
}

}  // namespace

void add_integer_opcodes(OpcodeTable& table) {
  table["add i"] = [](Decoding& d) { decode_sum<false>(d, false); };
  table["addc i"] = [](Decoding& d) { decode_sum<false>(d, true); };
  table["sub i"] = [](Decoding& d) { decode_sum<true>(d, false); };
  table["subc i"] = [](Decoding& d) { decode_sum<true>(d, true); };
  table["mul i"] = decode_product;
  table["mad i"] = [](Decoding& d) { decode_multiply_add(d, false); };
  table["madc i"] = [](Decoding& d) { decode_multiply_add(d, true); };
  table["mul24 i"] = decode_24_bits<false>;
  table["mad24 i"] = decode_24_bits<true>;
  table["dp4a i"] = decode_dot_of_bytes;
  table["dp2a i"] = decode_dot_of_bytes;
  table["div i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return quotient(a, b); });
    });
  };
  table["rem i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return remainder(a, b); });
    });
  };
  table["min i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return a < b ? a : b; });
      if (d.op.has("relu")) d.not_supported();
    });
  };
  table["max i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, T>(Kind::kInteger, [](T a, T b) { return a > b ? a : b; });
      if (d.op.has("relu")) d.not_supported();
    });
  };
  table["neg i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T>(Kind::kInteger, [](T a) { return 0 - static_cast<Modular<T>>(a); });
    });
  };
  table["abs i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T>(Kind::kInteger, [](T a) {
        return a < 0 ? 0 - static_cast<Modular<T>>(a) : static_cast<Modular<T>>(a);
      });
    });
  };
  table["sad i"] = [](Decoding& d) {
    with_integer(d, d.op.type(), [&]<class T>() {
      d.map<T, T, T, T>(Kind::kInteger, [](T a, T b, T c) {
        const auto x = static_cast<Modular<T>>(a), y = static_cast<Modular<T>>(b);
        return static_cast<Modular<T>>(c) + (a < b ? y - x : x - y);
      });
    });
  };
}

}  // namespace switchyard::kernels::xray

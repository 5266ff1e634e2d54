#include "kernels/xray/wrap.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>

#include "kernels/xray/decoding.h"

namespace switchyard::kernels::xray {
namespace {

using I64 = std::int64_t;
using U64 = std::uint64_t;
using U32 = std::uint32_t;

bool fits_signed(I64 x) {
  return x >= std::numeric_limits<std::int32_t>::min() &&
         x <= std::numeric_limits<std::int32_t>::max();
}
bool fits_unsigned(I64 x) { return x >= 0 && x <= std::numeric_limits<U32>::max(); }

Wrap* find(Warp& warp, Slot slot) {
  for (Wrap& one : warp.wraps) {
    if (one.slot == slot) return &one;
  }
  return nullptr;
}

/// The register gets a new value in the active lanes.
void set(Warp& warp, Slot slot, Wrap as) {
  if (slot == kNoSlot) return;
  as.slot = slot;
  as.as_signed &= warp.active;
  as.as_unsigned &= warp.active;
  Wrap* const known = find(warp, slot);
  if (known == nullptr) {
    if ((as.as_signed | as.as_unsigned) != 0) warp.wraps.push_back(as);
    return;
  }
  as.as_signed |= known->as_signed & ~warp.active;
  as.as_unsigned |= known->as_unsigned & ~warp.active;
  if ((as.as_signed | as.as_unsigned) == 0) {
    *known = warp.wraps.back();
    warp.wraps.pop_back();
  } else {
    *known = as;
  }
}

/// What the registers that an instruction reads have of it already.
Wrap inherited(Warp& warp, const Instruction& in) {
  Wrap all;
  const Slot* const uses = warp.block->launch->program.uses.data() + in.uses;
  for (U32 i = 0; i < in.reads; ++i) {
    const Wrap* const one = find(warp, uses[i]);
    if (one == nullptr) continue;
    all.pc = one->pc;
    all.as_signed |= one->as_signed;
    all.as_unsigned |= one->as_unsigned;
  }
  return all;
}

/// Calls body(a, b, c) with a lane's operands, each as a signed and as an unsigned number, and
/// marks the lanes whose result is in neither range, or not in the signed one.
template <class Exact>
void compute(const Warp& warp, const Instruction& in, Wrap& wrap, bool has_third,
             const Exact& exact) {
  const U32 *a = warp.lanes<U32>(in.slot[1]), *b = warp.lanes<U32>(in.slot[2]),
            *c = has_third ? warp.lanes<U32>(in.slot[3]) : b;
  const U32 pc = static_cast<U32>(&in - warp.block->launch->program.code.data());
  for_lanes(warp.active, [&](U32 lane) {
    const auto s = [](U32 x) { return I64{static_cast<std::int32_t>(x)}; };
    const auto u = [](U32 x) { return static_cast<I64>(x); };
    const bool is_signed = fits_signed(exact(s(a[lane]), s(b[lane]), s(c[lane])));
    // A negative constant added to an unsigned number is a subtraction.
    const bool is_unsigned = fits_unsigned(exact(u(a[lane]), u(b[lane]), u(c[lane]))) ||
                             fits_unsigned(exact(u(a[lane]), s(b[lane]), s(c[lane]))) ||
                             fits_unsigned(exact(u(a[lane]), u(b[lane]), s(c[lane])));
    const U32 bit = 1U << lane;
    if (!is_signed && (wrap.as_signed & bit) == 0) wrap.pc = pc;
    if (!is_signed) wrap.as_signed |= bit;
    if (!is_unsigned) wrap.as_unsigned |= bit;
  });
}

I64 product(I64 a, I64 b) {
  I64 result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::numeric_limits<I64>::max() / 2 : result;
}

/// A 64-bit index whose upper half is cut off.
void narrow(const Warp& warp, const Instruction& in, Wrap& wrap) {
  const I64* const a = warp.lanes<I64>(in.slot[1]);
  for_lanes(warp.active, [&](U32 lane) {
    const U32 bit = 1U << lane;
    if (fits_signed(a[lane])) return;
    wrap.as_signed |= bit;
    wrap.pc = static_cast<U32>(&in - warp.block->launch->program.code.data());
    if (!fits_unsigned(a[lane])) wrap.as_unsigned |= bit;
  });
}

bool is_memory(const Instruction& in) {
  return in.data_flow == DataFlow::kAccess || in.kind == Kind::kAtomic ||
         (in.kind == Kind::kAsyncCopy && in.slot[2] != kNoSlot);
}

void check_address(Warp& warp, const Instruction& in) {
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    if (i == 2 && in.kind != Kind::kAsyncCopy) return;
    const Wrap* const one = find(warp, in.slot[i]);
    if (one == nullptr || (one->as_signed & warp.active) == 0) continue;
    const Program& program = warp.block->launch->program;
    fail(warp, in, static_cast<U32>(__builtin_ctz(one->as_signed & warp.active)),
         fmt::format("its address comes from a 32-bit index that wrapped around at {}",
                     program.place(program.code[one->pc])),
         Detector::kWrap);
  }
}

}  // namespace

Arithmetic arithmetic_of(const Opcode& op) {
  const std::string_view base = op.base;
  if (base == "cvta") return Arithmetic::kPass;
  if (base == "cvt" && op.types.size() == 2 && op.types[1].kind != 'f' && op.types[0].kind != 'f') {
    if (op.types[1].bits == 64) {
      return op.types[0].bits == 64   ? Arithmetic::kPass
             : op.types[0].bits == 32 ? Arithmetic::kNarrow
                                      : Arithmetic::kNone;
    }
    if (op.types[0].bits < 64) return Arithmetic::kNone;
    if (op.types[1].bits != 32) return Arithmetic::kNone;
    return op.types[1].kind == 's' ? Arithmetic::kWidenSigned : Arithmetic::kWidenUnsigned;
  }
  if (base == "mov" || base == "selp") return Arithmetic::kPass;
  if (op.family() != 'i') return Arithmetic::kNone;
  const bool is_product = base == "mul" || base == "mad";
  if (is_product && op.has("wide")) {
    if (op.type().bits != 32) return Arithmetic::kNone;
    return op.type().kind == 's' ? Arithmetic::kWidenSigned : Arithmetic::kWidenUnsigned;
  }
  if (base != "add" && base != "sub" && base != "shl" && !is_product) return Arithmetic::kNone;
  if (op.has("hi")) return Arithmetic::kNone;
  if (op.type().bits == 64) return Arithmetic::kPass;
  if (op.type().bits != 32) return Arithmetic::kNone;
  if (base == "add") return Arithmetic::kAdd;
  if (base == "sub") return Arithmetic::kSubtract;
  if (base == "shl") return Arithmetic::kShift;
  return base == "mul" ? Arithmetic::kMultiply : Arithmetic::kMultiplyAdd;
}

void follow_wraps(Warp& warp, const Instruction& in) {
  if (is_memory(in) && !warp.wraps.empty()) check_address(warp, in);
  Wrap wrap;
  if (in.arithmetic != Arithmetic::kNone && !warp.wraps.empty()) wrap = inherited(warp, in);
  switch (in.arithmetic) {
    case Arithmetic::kAdd:
      compute(warp, in, wrap, false, [](I64 a, I64 b, I64) { return a + b; });
      break;
    case Arithmetic::kSubtract:
      compute(warp, in, wrap, false, [](I64 a, I64 b, I64) { return a - b; });
      break;
    case Arithmetic::kMultiply:
      compute(warp, in, wrap, false, [](I64 a, I64 b, I64) { return product(a, b); });
      break;
    case Arithmetic::kMultiplyAdd:
      compute(warp, in, wrap, true, [](I64 a, I64 b, I64 c) { return product(a, b) + c; });
      break;
    case Arithmetic::kShift:
      compute(warp, in, wrap, false, [](I64 a, I64 b, I64) {
        return b >= 0 && b < 31 ? product(a, I64{1} << b) : a == 0 ? 0 : I64{1} << 62;
      });
      break;
    case Arithmetic::kWidenSigned:
      wrap.as_unsigned = wrap.as_signed;
      break;
    case Arithmetic::kWidenUnsigned:
      // From here on one mask says it: the 64-bit number is not the one that was meant.
      wrap.as_signed &= wrap.as_unsigned;
      break;
    case Arithmetic::kNarrow:
      narrow(warp, in, wrap);
      break;
    default:
      break;
  }
  const Slot* const uses = warp.block->launch->program.uses.data() + in.uses;
  for (U32 i = 0; i < in.writes; ++i) set(warp, uses[in.reads + i], wrap);
}

}  // namespace switchyard::kernels::xray

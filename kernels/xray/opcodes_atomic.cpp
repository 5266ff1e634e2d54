#include <atomic>
#include <cmath>

#include "kernels/xray/access.h"
#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// atom and red. Lanes take effect one after the other, lowest first; blocks run on several threads
// of the host, so that each update is one of the host's atomic operations.

namespace switchyard::kernels::xray {
namespace {

/// B is the word in memory, F a function of the old word and up to two operands.
template <class B, class F>
void update(Warp& w, const Instruction& in) {
  Access access;
  resolve(w, in, Use::kAtomic, sizeof(B), access);
  count_collisions(counts_of(w, in), access.address, w.active);
  const B* b = w.lanes<B>(in.slot[2]);
  const B* c = in.slot[3] == kNoSlot ? b : w.lanes<B>(in.slot[3]);
  B result[kLanes] = {};
  for_lanes(w.active, [&](std::uint32_t lane) {
    std::atomic_ref<B> word(*reinterpret_cast<B*>(access.host[lane]));
    B old = word.load(std::memory_order_relaxed);
    while (!word.compare_exchange_weak(old, F{}(old, b[lane], c[lane]))) {
    }
    result[lane] = old;
  });
  w.store(in.slot[0], result);
}

template <class B, class F>
void take(Decoding& d, F) {
  d.in.run = update<B, F>;
}

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;

/// f(old, b) of numbers T that are kept as bits.
template <class T, class F>
void take_number(Decoding& d, F) {
  using B = BitsOf<T>;
  take<B>(d, [](B old, B b, B) {
    return std::bit_cast<B>(static_cast<T>(F{}(std::bit_cast<T>(old), std::bit_cast<T>(b))));
  });
}
/// The same for two halves of a word.
template <class H, class F>
void take_pair(Decoding& d, F) {
  take<std::uint32_t>(d, [](std::uint32_t old, std::uint32_t b, std::uint32_t) {
    std::uint32_t word = 0;
    for (int part = 0; part < 32; part += 16) {
      const auto x = std::bit_cast<H>(static_cast<std::uint16_t>(old >> part));
      const auto y = std::bit_cast<H>(static_cast<std::uint16_t>(b >> part));
      word |= std::uint32_t{H(F{}(static_cast<float>(x), static_cast<float>(y))).bits} << part;
    }
    return word;
  });
}

template <class F>
void take_float(Decoding& d, F function) {
  const Type type = d.op.type();
  if (type.kind == 'h' && type.bits == 32) return take_pair<BrainFloat>(d, function);
  if (type.kind == 'h') return take_number<BrainFloat>(d, function);
  if (type.bits == 32 && d.op.has("f16x2")) return take_pair<HalfFloat>(d, function);
  if (type.bits == 16) return take_number<HalfFloat>(d, function);
  if (type.bits == 32) return take_number<float>(d, function);
  take_number<double>(d, function);
}

void take_integer(Decoding& d, std::string_view operation) {
  with_integer(d, d.op.type(), [&]<class T>() {
    using B = std::make_unsigned_t<T>;
    if (operation == "add") return take<B>(d, [](B a, B b, B) { return static_cast<B>(a + b); });
    if (operation == "and") return take<B>(d, [](B a, B b, B) { return static_cast<B>(a & b); });
    if (operation == "or") return take<B>(d, [](B a, B b, B) { return static_cast<B>(a | b); });
    if (operation == "xor") return take<B>(d, [](B a, B b, B) { return static_cast<B>(a ^ b); });
    if (operation == "exch") return take<B>(d, [](B, B b, B) { return b; });
    if (operation == "cas") return take<B>(d, [](B a, B b, B c) { return a == b ? c : a; });
    if (operation == "min") return take_number<T>(d, [](T a, T b) { return b < a ? b : a; });
    if (operation == "max") return take_number<T>(d, [](T a, T b) { return b > a ? b : a; });
    if (operation == "inc") {
      return take<B>(d, [](B a, B b, B) { return a >= b ? B{0} : static_cast<B>(a + 1); });
    }
    if (operation == "dec") {
      return take<B>(d, [](B a, B b, B) { return a == 0 || a > b ? b : static_cast<B>(a - 1); });
    }
    d.fail("unknown atomic operation");
  });
}

std::string_view operation_of(const Opcode& op) {
  for (const std::string_view modifier : op.modifiers) {
    for (const char* one : {"add", "and", "or", "xor", "exch", "cas", "min", "max", "inc", "dec"}) {
      if (modifier == one) return one;
    }
  }
  return "";
}

void decode_atomic(Decoding& d, bool returns) {
  const Type type = d.op.type();
  const std::string_view operation = operation_of(d.op);
  const std::size_t first = returns ? 1 : 0;
  if (d.op.has("shared::cluster") || d.op.has("v2") || d.op.has("v4") || type.bits > 64) {
    d.not_supported();
  }
  const Space space = d.op.has("shared") || d.op.has("shared::cta") ? Space::kShared
                      : d.op.has("global")                          ? Space::kGlobal
                                                                    : Space::kGeneric;
  d.address(first, space);
  if (returns) d.in.slot[0] = d.destination(0, type);
  d.in.slot[2] = d.source(first + 1, type);
  if (operation == "cas") d.in.slot[3] = d.source(first + 2, type);
  d.in.kind = Kind::kAtomic;
  d.in.waits = operation == "cas" || operation == "exch";
  const bool is_releasing = d.op.has("release") || d.op.has("acq_rel");
  d.in.order = static_cast<std::uint8_t>(kStrong | (is_releasing ? kReleasing : 0) |
                                         (d.op.has("cta") ? kBlockScope : 0));
  const bool is_number = type.kind == 'f' || type.kind == 'h';
  if (is_number && operation == "add") {
    take_float(d, [](auto a, auto b) { return a + b; });
  } else if (is_number && operation == "min") {
    take_float(d, [](auto a, auto b) { return least(a, b); });
  } else if (is_number && operation == "max") {
    take_float(d, [](auto a, auto b) { return greatest(a, b); });
  } else {
    take_integer(d, operation);
  }
  if (is_number && operation == "add") d.in.flops = d.op.has("f16x2") || d.op.has("bf16x2") ? 2 : 1;
}

}  // namespace

void add_atomic_opcodes(OpcodeTable& table) {
  table["atom"] = [](Decoding& d) { decode_atomic(d, true); };
  table["red"] = [](Decoding& d) { decode_atomic(d, false); };
}

}  // namespace switchyard::kernels::xray

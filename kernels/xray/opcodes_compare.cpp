#include <limits>
#include <string_view>

#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// Comparisons and selections: setp, set, selp, slct, testp.

namespace switchyard::kernels::xray {
namespace {

constexpr Type kPredicate{'p', 1};

/// How two predicates become one: setp.CMP.BOOL.
enum Combine : std::uint8_t { kPlain, kAnd, kOr, kXor };

template <class T, class F>
std::uint32_t compare_lanes(const Warp& w, const Instruction& in) {
  const T *a = w.lanes<T>(in.slot[1]), *b = w.lanes<T>(in.slot[2]);
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) bits |= (F{}(a[i], b[i]) ? 1U : 0U) << i;
  return bits;
}

std::uint32_t combined(const Warp& w, const Instruction& in, std::uint32_t bits) {
  if (in.option == kPlain) return bits;
  const std::uint32_t c = w.predicate(in.slot[3]);
  return in.option == kAnd ? bits & c : in.option == kOr ? bits | c : bits ^ c;
}

/// setp p|q: q is the comparison's opposite, combined in the same way.
template <class T, class F>
void set_predicate(Warp& w, const Instruction& in) {
  const std::uint32_t bits = compare_lanes<T, F>(w, in);
  const std::uint32_t first = combined(w, in, bits);
  const std::uint32_t second = in.slot[4] == kNoSlot ? 0 : combined(w, in, ~bits);
  w.store_predicate(in.slot[0], first);
  w.store_predicate(in.slot[4], second);
}

/// set: all ones or zero, or 1.0 or 0.0.
template <class T, class F, class D>
void set_value(Warp& w, const Instruction& in) {
  const std::uint32_t bits = combined(w, in, compare_lanes<T, F>(w, in));
  D result[kLanes];
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    const bool holds = (bits >> i & 1) != 0;
    if constexpr (std::is_floating_point_v<D>) {
      result[i] = holds ? D{1} : D{0};
    } else {
      result[i] = holds ? static_cast<D>(~D{0}) : D{0};
    }
  }
  w.store(in.slot[0], result);
}

struct Comparison {
  template <class T, class F>
  void operator()(Decoding& d, F) const {
    if (d.op.base == "setp") {
      d.in.run = set_predicate<T, F>;
    } else if (d.op.types[0].kind == 'f') {
      d.in.run = set_value<T, F, float>;
    } else {
      d.in.run = set_value<T, F, std::uint32_t>;
    }
  }
};

template <class T>
bool unordered(T a, T b) {
  return a != a || b != b;
}

/// Chooses the function of a comparison that every type has. Returns false if it is none of them.
template <class T>
bool decode_ordered(Decoding& d, std::string_view compare) {
  const Comparison take;
  const auto with = [&](auto function) {
    take.template operator()<T>(d, function);
    return true;
  };
  if (compare == "eq") return with([](T a, T b) { return a == b; });
  if (compare == "ne") return with([](T a, T b) { return a != b && a == a && b == b; });
  if (compare == "lt" || compare == "lo") return with([](T a, T b) { return a < b; });
  if (compare == "le" || compare == "ls") return with([](T a, T b) { return a <= b; });
  if (compare == "gt" || compare == "hi") return with([](T a, T b) { return a > b; });
  if (compare == "ge" || compare == "hs") return with([](T a, T b) { return a >= b; });
  return false;
}

template <class T>
bool decode_unordered(Decoding& d, std::string_view compare) {
  const Comparison take;
  const auto with = [&](auto function) {
    take.template operator()<T>(d, function);
    return true;
  };
  if (compare == "equ") return with([](T a, T b) { return a == b || unordered(a, b); });
  if (compare == "neu") return with([](T a, T b) { return a != b; });
  if (compare == "ltu") return with([](T a, T b) { return !(a >= b); });
  if (compare == "leu") return with([](T a, T b) { return !(a > b); });
  if (compare == "gtu") return with([](T a, T b) { return !(a <= b); });
  if (compare == "geu") return with([](T a, T b) { return !(a < b); });
  if (compare == "num") return with([](T a, T b) { return !unordered(a, b); });
  if (compare == "nan") return with([](T a, T b) { return unordered(a, b); });
  return false;
}

void decode_function(Decoding& d, Type type, std::string_view compare) {
  bool known = false;
  if (type.kind == 'f' && type.bits == 32) {
    known = decode_ordered<float>(d, compare) || decode_unordered<float>(d, compare);
  } else if (type.kind == 'f' && type.bits == 64) {
    known = decode_ordered<double>(d, compare) || decode_unordered<double>(d, compare);
  } else if (type.kind == 'f') {
    known = decode_ordered<HalfFloat>(d, compare) || decode_unordered<HalfFloat>(d, compare);
  } else if (type.kind == 'h') {
    known = decode_ordered<BrainFloat>(d, compare) || decode_unordered<BrainFloat>(d, compare);
  } else {
    with_integer(d, type, [&]<class T>() { known = decode_ordered<T>(d, compare); });
  }
  if (!known) d.fail("unknown comparison");
}

void decode_comparison(Decoding& d) {
  if (d.op.has("f16x2") || d.op.has("bf16x2")) d.not_supported();
  const Type type = d.op.type();
  if (d.op.modifiers.empty()) d.fail("expected a comparison");
  d.in.slot[1] = d.source(1, type);
  d.in.slot[2] = d.source(2, type);
  d.in.option = d.op.has("and") ? kAnd : d.op.has("or") ? kOr : d.op.has("xor") ? kXor : kPlain;
  d.expect_operands(d.in.option == kPlain ? 3 : 4);
  if (d.in.option != kPlain) d.in.slot[3] = d.source(3, kPredicate);
  d.in.kind = Kind::kCompare;
  if (d.op.base == "set") {
    if (d.op.types.size() != 2 || d.op.types[0].bits != 32) d.not_supported();
    d.in.slot[0] = d.destination(0, d.op.types[0]);
  } else if (d.operand(0).kind == Operand::Kind::kPair) {
    d.in.slot[0] = d.destination(d.operand(0).list[0], kPredicate);
    d.in.slot[4] = d.destination(d.operand(0).list[1], kPredicate);
  } else {
    d.in.slot[0] = d.destination(0, kPredicate);
  }
  decode_function(d, type, d.op.modifiers[0]);
}

template <class T>
void select(Warp& w, const Instruction& in) {
  const T *a = w.lanes<T>(in.slot[1]), *b = w.lanes<T>(in.slot[2]);
  const std::uint32_t bits = w.predicate(in.slot[3]);
  T result[kLanes];
  for (std::uint32_t i = 0; i < kLanes; ++i) result[i] = (bits >> i & 1) != 0 ? a[i] : b[i];
  w.store(in.slot[0], result);
}

void decode_selection(Decoding& d) {
  with_integer(d, {'b', d.op.type().bits}, [&]<class T>() {
    d.expect_operands(4);
    d.in.slot[0] = d.destination(0, type_of<T>());
    d.in.slot[1] = d.source(1, d.op.type());
    d.in.slot[2] = d.source(2, d.op.type());
    d.in.slot[3] = d.source(3, kPredicate);
    d.in.run = select<T>;
    d.in.data_flow = DataFlow::kSelect;
    d.in.kind = Kind::kCompare;
  });
}

/// slct: a where c >= 0, else b; c is s32 or f32.
void decode_sign_selection(Decoding& d) {
  if (d.op.types.size() != 2) d.fail("expected two types");
  const bool is_float = d.op.types[1].kind == 'f';
  with_integer(d, {'b', d.op.types[0].bits}, [&]<class T>() {
    if (is_float) {
      d.map<T, T, T, float>(Kind::kCompare, [](T a, T b, float c) { return c >= 0 ? a : b; });
    } else {
      d.map<T, T, T, std::int32_t>(Kind::kCompare,
                                   [](T a, T b, std::int32_t c) { return c >= 0 ? a : b; });
    }
  });
}

template <class T, class F>
void test_lanes(Warp& w, const Instruction& in) {
  const T* a = w.lanes<T>(in.slot[1]);
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kLanes; ++i) bits |= (F{}(a[i]) ? 1U : 0U) << i;
  w.store_predicate(in.slot[0], bits);
}

template <class T>
void decode_test(Decoding& d) {
  d.expect_operands(2);
  d.in.slot[0] = d.destination(0, kPredicate);
  d.in.slot[1] = d.source(1, d.op.type());
  d.in.kind = Kind::kCompare;
  const auto with = [&](auto function) { d.in.run = test_lanes<T, decltype(function)>; };
  constexpr T kLeast = std::numeric_limits<T>::min();
  constexpr T kMost = std::numeric_limits<T>::max();
  if (d.op.has("finite")) {
    with([](T x) { return x - x == 0; });
  } else if (d.op.has("infinite")) {
    with([](T x) { return x > kMost || x < -kMost; });
  } else if (d.op.has("number")) {
    with([](T x) { return x == x; });
  } else if (d.op.has("notanumber")) {
    with([](T x) { return x != x; });
  } else if (d.op.has("normal")) {
    with([](T x) { return (x >= kLeast && x <= kMost) || (x <= -kLeast && x >= -kMost); });
  } else if (d.op.has("subnormal")) {
    with([](T x) { return x != 0 && x < kLeast && x > -kLeast; });
  } else {
    d.fail("unknown test");
  }
}

}  // namespace

void add_compare_opcodes(OpcodeTable& table) {
  for (const char* family : {" i", " f", " h"}) {
    table[std::string("setp") + family] = decode_comparison;
    table[std::string("set") + family] = decode_comparison;
    table[std::string("selp") + family] = decode_selection;
    table[std::string("slct") + family] = decode_sign_selection;
  }
  table["testp f"] = [](Decoding& d) {
    if (d.op.type().bits == 64) {
      decode_test<double>(d);
    } else {
      decode_test<float>(d);
    }
  };
}

}  // namespace switchyard::kernels::xray

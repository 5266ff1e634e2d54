#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/xray/lanes.h"
#include "kernels/xray/program.h"

namespace switchyard::kernels::xray {

class Decoder;

/// An opcode in its parts: "ld", then "global", "v2", "f32".
struct Opcode {
  std::string_view text;
  std::string_view base;
  std::vector<std::string_view> modifiers;
  std::vector<Type> types;  ///< those modifiers that are types

  explicit Opcode(std::string_view opcode);
  bool has(std::string_view modifier) const;
  Type type() const { return types.empty() ? Type{'b', 0} : types.back(); }
  /// 'i', 'f', 'p', or 'h' for half precision and packed pairs of it: which table row is meant.
  char family() const;
};

/// A type by its width alone, to check registers with.
template <class T>
constexpr Type type_of() {
  return {'b', static_cast<std::uint8_t>(8 * sizeof(T))};
}

/// One statement that becomes an instruction. What the rows of the opcode table work with.
class Decoding {
 public:
  Decoding(Decoder& decoder, const Statement& statement, const Opcode& opcode)
      : op(opcode), statement_(statement), decoder_(decoder) {}

  const Opcode& op;
  Instruction in;

  std::size_t operands() const { return statement_.operands.size(); }
  const Operand& operand(std::size_t i) const;
  /// The slot of an operand that is read. Its register must have the type's width.
  Slot source(std::size_t i, Type type) { return source(operand(i), type); }
  Slot source(const Operand& operand, Type type);
  /// The slot of an operand that is written; kNoSlot for _.
  Slot destination(std::size_t i, Type type) { return destination(operand(i), type); }
  Slot destination(const Operand& operand, Type type);
  /// Bits of an operand's register; 0 where it is no register.
  int register_bits(const Operand& operand) const;
  /// The value of an operand that must be a number.
  std::int64_t number(std::size_t i) const;
  /// Sets how the instruction finds its addresses: operand i is in brackets.
  void address(std::size_t i, Space space);
  /// As address(), for a second address: the slot and bits come back, as does what to add.
  Slot second_address(std::size_t i, Space space, std::uint8_t& bits, std::int64_t& offset);
  /// Appends to Program::slots; in.extra is the first one's index if `first`.
  void extra(Slot slot, bool first = false);
  Slot constant(std::uint64_t bits, Type type);
  [[noreturn]] void fail(std::string_view what) const;
  /// The same for an instruction that needs hardware beyond what is executed here.
  [[noreturn]] void not_supported() const;

  /// Operand 0 becomes `function` of the others, lane by lane.
  template <class D, class... A, class F>
  void map(Kind kind, F function, int flops = 0) {
    expect_operands(1 + sizeof...(A));
    in.slot[0] = destination(0, type_of<D>());
    std::size_t i = 0;
    ((++i, in.slot[i] = source(i, type_of<A>())), ...);
    in.run = lift<D, A...>(function);
    in.kind = kind;
    in.flops = static_cast<std::uint16_t>(flops);
  }
  void expect_operands(std::size_t count) const;

 private:
  friend class Decoder;

  Slot place_address(const Operand& operand, Space space, std::uint8_t& bits, std::int64_t& offset);
  /// The operand's slot, which goes on the list of what the instruction reads.
  Slot read(Slot slot);

  const Statement& statement_;
  Decoder& decoder_;
  std::vector<Slot> reads_, writes_;
  ArraySet named_ = 0;  ///< the shared arrays that operands name
};

/// Rows of the opcode table: "add i" for integer types, "bar" where the type does not matter.
using DecodeRow = std::function<void(Decoding&)>;
using OpcodeTable = std::map<std::string, DecodeRow, std::less<>>;
const OpcodeTable& opcode_table();

// One function per file opcodes_*.cpp.
void add_integer_opcodes(OpcodeTable& table);
void add_bit_opcodes(OpcodeTable& table);
void add_float_opcodes(OpcodeTable& table);
void add_half_opcodes(OpcodeTable& table);
void add_convert_opcodes(OpcodeTable& table);
void add_compare_opcodes(OpcodeTable& table);
void add_move_opcodes(OpcodeTable& table);
void add_memory_opcodes(OpcodeTable& table);
void add_atomic_opcodes(OpcodeTable& table);
void add_warp_opcodes(OpcodeTable& table);
void add_product_opcodes(OpcodeTable& table);
void add_matrix_opcodes(OpcodeTable& table);
void add_async_opcodes(OpcodeTable& table);
void add_control_opcodes(OpcodeTable& table);

/// Calls body.operator()<T>() with the C++ integer of the type; signed for s, else unsigned.
template <class Body>
void with_integer(Decoding& d, Type type, const Body& body) {
  const bool is_signed = type.kind == 's';
  switch (type.bits) {
    case 16:
      return is_signed ? body.template operator()<std::int16_t>()
                       : body.template operator()<std::uint16_t>();
    case 32:
      return is_signed ? body.template operator()<std::int32_t>()
                       : body.template operator()<std::uint32_t>();
    case 64:
      return is_signed ? body.template operator()<std::int64_t>()
                       : body.template operator()<std::uint64_t>();
    default:
      d.fail("this instruction takes 16, 32 or 64 bits");
  }
}

}  // namespace switchyard::kernels::xray

#include "kernels/xray/decoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernels/xray/decoder.h"

namespace switchyard::kernels::xray {

Opcode::Opcode(std::string_view opcode) : text(opcode) {
  while (!opcode.empty()) {
    const std::size_t end = std::min(opcode.find('.'), opcode.size());
    const std::string_view part = opcode.substr(0, end);
    opcode.remove_prefix(std::min(end + 1, opcode.size()));
    if (base.empty()) {
      base = part;
      continue;
    }
    modifiers.push_back(part);
    Type type;
    if (parse_type(part, type)) types.push_back(type);
  }
}

bool Opcode::has(std::string_view modifier) const {
  return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
}

char Opcode::family() const {
  if (has("f16x2") || has("bf16x2")) return 'h';
  const Type last = type();
  if (last.kind == 'h' || (last.kind == 'f' && last.bits == 16)) return 'h';
  if (last.kind == 'f' || last.kind == 'p') return last.kind;
  return 'i';
}

void Decoding::fail(std::string_view what) const {
  decoder_.fail(statement_.line, fmt::format("{}: {}", op.text, what));
}
void Decoding::not_supported() const {
  decoder_.fail(statement_.line, fmt::format("the instruction '{}' is not supported", op.text));
}

const Operand& Decoding::operand(std::size_t i) const {
  if (i >= statement_.operands.size()) {
    fail(fmt::format("has {} operands, expected more", statement_.operands.size()));
  }
  return statement_.operands[i];
}

void Decoding::expect_operands(std::size_t count) const {
  if (operands() != count) fail(fmt::format("has {} operands, expected {}", operands(), count));
}

int Decoding::register_bits(const Operand& operand) const {
  if (operand.kind != Operand::Kind::kRegister) return 0;
  const Type type = decoder_.frame_->function->registers[operand.index];
  return type.kind == 'p' ? 1 : std::max<int>(type.bits, 16);
}

std::int64_t Decoding::number(std::size_t i) const {
  if (operand(i).kind != Operand::Kind::kNumber) fail("expected a number");
  return operand(i).value;
}

Slot Decoding::constant(std::uint64_t bits, Type type) {
  return decoder_.constant_slot(bits, type);
}

namespace {

bool has_width(int register_bits, Type type) {
  return type.kind == 'p' ? register_bits == 1 : register_bits == std::max<int>(type.bits, 16);
}

/// A number's bits in a register of the type.
std::uint64_t bits_of(const Operand& number, Type type, bool is_float) {
  auto bits = static_cast<std::uint64_t>(number.value);
  if (number.is_double && type.bits == 32) {
    bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
  } else if (number.is_float && type.bits == 64 && is_float) {
    bits = std::bit_cast<std::uint64_t>(
        static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
  }
  if (type.kind != 'p' && type.bits < 64) bits &= (std::uint64_t{1} << type.bits) - 1;
  return bits;
}

}  // namespace

Slot Decoding::read(Slot slot) {
  reads_.push_back(slot & ~kInvertedSlot);
  return slot;
}

Slot Decoding::source(const Operand& operand, Type type) {
  switch (operand.kind) {
    case Operand::Kind::kRegister: {
      if (!has_width(register_bits(operand), type)) {
        fail(fmt::format("the register {} has {} bits, expected {}", operand.text,
                         register_bits(operand), static_cast<int>(type.bits)));
      }
      const Slot slot = read(decoder_.register_slot(operand.index));
      if (!operand.negated) return slot;
      if (type.kind != 'p') fail("only a predicate can be negated");
      return slot ^ kInvertedSlot;
    }
    case Operand::Kind::kNumber:
      return read(decoder_.constant_slot(bits_of(operand, type, op.family() == 'f'), type));
    case Operand::Kind::kSpecial:
      if (type.bits != 32) fail(fmt::format("{} has 32 bits", operand.text));
      return read(decoder_.special_slot(operand.text, statement_));
    case Operand::Kind::kVariable: {
      const std::int64_t place = decoder_.place(operand.index, statement_) + operand.value;
      if (type.bits < 32) fail("an address has 32 or 64 bits");
      auto bits = static_cast<std::uint64_t>(place);
      if (type.bits == 32) bits &= 0xFFFFFFFFU;
      named_ |= decoder_.array(operand.index);
      return read(decoder_.constant_slot(bits, {'b', type.bits}));
    }
    default:
      fail("an operand that is read is a register, a number or a variable");
  }
}

Slot Decoding::destination(const Operand& operand, Type type) {
  if (operand.kind == Operand::Kind::kNothing) return kNoSlot;
  if (operand.kind != Operand::Kind::kRegister) fail("a result goes to a register");
  if (!has_width(register_bits(operand), type)) {
    fail(fmt::format("the register {} has {} bits, expected {}", operand.text,
                     register_bits(operand), static_cast<int>(type.bits)));
  }
  writes_.push_back(decoder_.register_slot(operand.index));
  return writes_.back();
}

void Decoding::extra(Slot slot, bool first) {
  if (first) in.extra = static_cast<std::uint32_t>(decoder_.program_.slots.size());
  decoder_.program_.slots.push_back(slot);
}

Slot Decoding::place_address(const Operand& address, Space space, std::uint8_t& bits,
                             std::int64_t& offset) {
  if (address.kind != Operand::Kind::kAddress || address.list.size() != 1) {
    fail("expected an address in brackets");
  }
  const Operand& base = address.list[0];
  bits = 0;
  offset = base.value;
  if (base.kind == Operand::Kind::kNumber) return kNoSlot;
  if (base.kind == Operand::Kind::kVariable) {
    offset += decoder_.place(base.index, statement_);
    named_ |= decoder_.array(base.index);
    return kNoSlot;
  }
  if (base.kind != Operand::Kind::kRegister) {
    fail(fmt::format("'{}' is no address", base.text));
  }
  bits = static_cast<std::uint8_t>(register_bits(base));
  const bool is_narrow = bits == 32 && (space == Space::kShared || space == Space::kLocal ||
                                        space == Space::kParam || space == Space::kConst);
  if (bits != 64 && !is_narrow) fail("an address has 64 bits");
  return read(decoder_.register_slot(base.index));
}

void Decoding::address(std::size_t i, Space space) {
  in.slot[1] = place_address(operand(i), space, in.address_bits, in.offset);
  in.space = space;
  const Operand& base = operand(i).list[0];
  if (base.kind != Operand::Kind::kVariable) return;
  // A name says itself where it lies; a function's parameters lie in the thread's own memory.
  const Variable& named = decoder_.variable(base.index);
  in.space = named.space;
  const bool is_kernel_parameter = named.space == Space::kParam && decoder_.calls_.size() == 1 &&
                                   base.index < decoder_.frame_->function->parameters.size();
  if (named.space == Space::kParam && !is_kernel_parameter) {
    in.space = Space::kLocal;
    in.option = kCallParameter;
  }
}

Slot Decoding::second_address(std::size_t i, Space space, std::uint8_t& bits,
                              std::int64_t& offset) {
  return place_address(operand(i), space, bits, offset);
}

const OpcodeTable& opcode_table() {
  static const OpcodeTable table = [] {
    OpcodeTable made;
    for (auto* add : {add_integer_opcodes, add_bit_opcodes, add_float_opcodes, add_half_opcodes,
                      add_convert_opcodes, add_compare_opcodes, add_move_opcodes,
                      add_memory_opcodes, add_atomic_opcodes, add_warp_opcodes, add_product_opcodes,
                      add_matrix_opcodes, add_async_opcodes, add_control_opcodes}) {
      add(made);
    }
    return made;
  }();
  return table;
}

Program decode(const std::shared_ptr<const Module>& module, std::string_view kernel,
               const Image& image) {
  return Decoder(module, image).run(kernel);
}

}  // namespace switchyard::kernels::xray

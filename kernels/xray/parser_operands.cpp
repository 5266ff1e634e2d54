#include <fmt/format.h>

#include <bit>
#include <charconv>

#include "kernels/xray/parser.h"

namespace switchyard::kernels::xray {
namespace {

constexpr int kMaxDepth = 3;
constexpr std::size_t kMaxList = 256;

/// The bits of 0fXXXXXXXX or 0dXXXXXXXXXXXXXXXX.
bool parse_bits(std::string_view text, std::size_t digits, std::uint64_t& bits) {
  if (text.size() != digits + 2) return false;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_integer(std::string_view text, std::uint64_t& value) {
  while (!text.empty() && (text.back() == 'U' || text.back() == 'u')) text.remove_suffix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with("0b") || text.starts_with("0B")) {
    base = 2;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Operand Parser::parse_number() {
  Operand number;
  number.kind = Operand::Kind::kNumber;
  const std::string_view text = token_.text;
  std::uint64_t bits = 0;
  bool is_number = false;
  if (text.starts_with("0f") || text.starts_with("0F")) {
    is_number = parse_bits(text, 8, bits);
    number.is_float = true;
  } else if (text.starts_with("0d") || text.starts_with("0D")) {
    is_number = parse_bits(text, 16, bits);
    number.is_double = true;
  } else if (parse_integer(text, bits)) {
    is_number = true;
  } else {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    is_number = error == std::errc() && end == text.data() + text.size();
    bits = std::bit_cast<std::uint64_t>(value);
    number.is_double = true;
  }
  if (!is_number) fail(fmt::format("{} is no number", shown()));
  number.value = static_cast<std::int64_t>(bits);
  advance();
  return number;
}

std::uint64_t Parser::parse_whole(std::uint64_t most) {
  std::uint64_t value = 0;
  if (token_.kind != Token::Kind::kNumber || !parse_integer(token_.text, value)) {
    fail(fmt::format("expected a whole number, got {}", shown()));
  }
  if (value > most) fail(fmt::format("{} is more than {}", shown(), most));
  advance();
  return value;
}

std::int64_t Parser::parse_addend() {
  bool negative = false;
  while (token_.is('+') || token_.is('-')) {
    negative ^= token_.is('-');
    advance();
  }
  const std::uint64_t value = parse_whole(~std::uint64_t{0});
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

bool Parser::find_register(std::string_view name, std::uint32_t& index) const {
  const std::size_t digits = name.find_last_not_of("0123456789") + 1;
  const std::string_view prefix = name.substr(0, digits);
  std::uint32_t number = 0;
  const std::string_view tail = name.substr(digits);
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), number);
  const bool has_number = error == std::errc() && end == tail.data() + tail.size() &&
                          (tail.size() == 1 || tail[0] != '0');
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto found = scope->registers.find(name); found != scope->registers.end()) {
      index = found->second;
      return true;
    }
    if (!has_number) continue;
    const auto range = scope->register_ranges.find(prefix);
    if (range != scope->register_ranges.end() && number < range->second.count) {
      index = range->second.first + number;
      return true;
    }
  }
  return false;
}

Operand Parser::parse_name(std::string_view word) {
  Operand operand;
  operand.text = word;
  if (word == "_") return operand;
  if (find_register(word, operand.index)) {
    operand.kind = Operand::Kind::kRegister;
    return operand;
  }
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto found = scope->variables.find(word); found != scope->variables.end()) {
      operand.kind = Operand::Kind::kVariable;
      operand.index = found->second;
      return operand;
    }
  }
  if (const std::int64_t variable = module_.variable(word); variable >= 0) {
    operand.kind = Operand::Kind::kVariable;
    operand.index = kModuleVariable | static_cast<std::uint32_t>(variable);
    return operand;
  }
  if (word == "WARP_SZ") {
    operand.kind = Operand::Kind::kNumber;
    operand.value = 32;
    return operand;
  }
  operand.kind = word[0] == '%' ? Operand::Kind::kSpecial : Operand::Kind::kName;
  return operand;
}

Operand Parser::parse_list(char close, int depth) {
  Operand vector;
  vector.kind = Operand::Kind::kVector;
  if (accept(close)) return vector;
  do {
    if (vector.list.size() == kMaxList) fail(fmt::format("more than {} operands", kMaxList));
    vector.list.push_back(parse_operand(depth + 1));
  } while (accept(','));
  expect(close);
  return vector;
}

Operand Parser::parse_operand(int depth) {
  if (depth > kMaxDepth) fail("operands are nested too deeply");
  Operand operand;
  if (accept('{')) return parse_list('}', depth);
  if (accept('(')) return parse_list(')', depth);
  if (accept('[')) {
    operand = parse_list(']', depth);
    if (operand.list.empty()) fail("an address is empty");
    operand.kind = Operand::Kind::kAddress;
    return operand;
  }
  if (accept('!')) {
    operand = parse_operand(depth + 1);
    operand.negated = true;
    return operand;
  }
  if (accept('-')) {
    if (token_.kind != Token::Kind::kNumber)
      fail(fmt::format("expected a number, got {}", shown()));
    operand = parse_number();
    const auto bits = static_cast<std::uint64_t>(operand.value);
    operand.value = static_cast<std::int64_t>(operand.is_double  ? bits ^ std::uint64_t{1} << 63
                                              : operand.is_float ? bits ^ std::uint64_t{1} << 31
                                                                 : 0 - bits);
    return operand;
  }
  if (token_.kind == Token::Kind::kNumber) return parse_number();
  const std::string_view word = expect_word("an operand");
  operand = parse_name(word);
  const bool is_name = operand.kind == Operand::Kind::kName;  // nothing is added to a label
  if (!is_name && (token_.is('+') || token_.is('-'))) operand.value = parse_addend();
  if (token_.is('|')) {
    advance();
    Operand pair;
    pair.kind = Operand::Kind::kPair;
    pair.list.push_back(std::move(operand));
    pair.list.push_back(parse_operand(depth + 1));
    return pair;
  }
  return operand;
}

}  // namespace switchyard::kernels::xray

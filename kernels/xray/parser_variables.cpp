#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/xray/parser.h"

namespace switchyard::kernels::xray {
namespace {

/// What one file may declare in all; more is no kernel's wish and would cost memory.
constexpr std::uint64_t kMaxVariableBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxAlignment = 4096;

}  // namespace

void Parser::parse_variables(Space space, bool is_external) {
  do {
    Variable variable = parse_variable(space);
    variable.is_external = is_external;
    if (variable.bytes == 0 && variable.initial.empty() && !is_external) {
      fail(fmt::format("the array {} has no size", variable.name));
    }
    add_variable(std::move(variable));
  } while (accept(','));
  expect(';');
}

/// [.attribute(...)] [.align N] [.vN] .TYPE [.ptr [.SPACE] [.align N]] NAME [[N]...] [= INITIAL]
Variable Parser::parse_variable(Space space) {
  Variable variable;
  variable.space = space;
  bool has_type = false;
  std::uint64_t elements = 1;
  std::uint64_t align = 0;
  bool is_pointee = false;  // what follows .ptr describes what the parameter points to
  while (token_.is_word() && token_.text[0] == '.') {
    const std::string_view word = token_.text;
    advance();
    if (word == ".align") {
      const std::uint64_t given = parse_whole(kMaxAlignment);
      if (!std::has_single_bit(given))
        fail(fmt::format("the alignment {} is no power of 2", given));
      if (!is_pointee) align = given;
    } else if (word == ".attribute") {
      expect('(');
      while (!accept(')')) {
        if (token_.kind == Token::Kind::kEnd) fail("expected ')'");
        advance();
      }
    } else if (word == ".v2" || word == ".v4") {
      elements = word == ".v2" ? 2 : 4;
    } else if (word == ".ptr") {
      is_pointee = true;
    } else if (is_pointee && (word == ".global" || word == ".shared" || word == ".local" ||
                              word == ".const" || word == ".param")) {
      continue;
    } else if (parse_type(word, variable.type)) {
      has_type = true;
    } else {
      fail(fmt::format("'{}' is not supported in a variable's declaration", word));
    }
  }
  if (!has_type) fail(fmt::format("expected a type, got {}", shown()));
  variable.name = expect_word("a variable's name");
  variable.bytes = variable.type.bytes() * elements;
  variable.align = static_cast<std::uint32_t>(align != 0 ? align : variable.bytes);
  bool is_open = false;
  while (accept('[')) {
    if (accept(']')) {
      is_open = true;
      continue;
    }
    const std::uint64_t count = parse_whole(kMaxVariableBytes);
    expect(']');
    if (count != 0 && variable.bytes > kMaxVariableBytes / count) {
      fail(fmt::format("{} has more than {} bytes", variable.name, kMaxVariableBytes));
    }
    variable.bytes *= count;
  }
  if (is_open) variable.bytes = 0;
  if (token_.is('=')) {
    advance();
    parse_initial(variable);
    if (is_open) variable.bytes = variable.initial.size();
    if (variable.initial.size() > variable.bytes) {
      fail(fmt::format("{} has {} bytes and initial values of {}", variable.name, variable.bytes,
                       variable.initial.size()));
    }
  }
  return variable;
}

void Parser::parse_initial(Variable& variable) {
  int depth = 0;
  do {
    while (accept('{')) ++depth;
    if (depth > 8) fail("initial values are nested too deeply");
    parse_initial_element(variable);
    while (depth > 0 && accept('}')) --depth;
  } while (depth > 0 && (accept(','), true) && token_.kind != Token::Kind::kEnd);
  if (depth > 0) fail("initial values have no end");
}

void Parser::parse_initial_element(Variable& variable) {
  std::uint64_t bits = 0;
  if (token_.is_word()) {
    std::string_view name = expect_word("a name");
    const bool is_generic = name == "generic" && accept('(');
    if (is_generic) name = expect_word("a name");
    if (is_generic) expect(')');
    const std::int64_t addend = token_.is('+') || token_.is('-') ? parse_addend() : 0;
    if (variable.type.bits != 64) fail("an address has 64 bits");
    variable.addresses.push_back({variable.initial.size(), std::string(name), addend});
  } else {
    const Operand number = parse_operand();
    if (number.kind != Operand::Kind::kNumber) fail("expected a number");
    bits = static_cast<std::uint64_t>(number.value);
    if (variable.type.kind == 'f' && number.is_double && variable.type.bits == 32) {
      bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
    }
  }
  char bytes[8];
  std::memcpy(bytes, &bits, sizeof bytes);
  variable.initial.append(bytes, std::min<std::size_t>(variable.type.bytes(), 8));
}

void Parser::add_variable(Variable variable) {
  if (function_ == nullptr) {
    variable_bytes_ += variable.bytes;
    if (variable_bytes_ > kMaxVariableBytes) {
      fail(fmt::format("the variables of the file exceed {} bytes", kMaxVariableBytes));
    }
    const auto [known, is_new] =
        module_.variable_names_.try_emplace(variable.name, module_.variables_.size());
    if (is_new) {
      module_.variables_.push_back(std::move(variable));
    } else if (!variable.is_external) {
      module_.variables_[known->second] = std::move(variable);
    }
    return;
  }
  scopes_.back().variables[variable.name] = static_cast<std::uint32_t>(function_->variables.size());
  function_->variables.push_back(std::move(variable));
}

}  // namespace switchyard::kernels::xray

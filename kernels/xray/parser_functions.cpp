#include <fmt/format.h>

#include <algorithm>

#include "kernels/xray/parser.h"

// Functions: heads, parameters, and the statements of bodies.

namespace switchyard::kernels::xray {
namespace {

/// Far above what compilers make, and small enough that no file takes much memory.
constexpr std::size_t kMaxRegisters = 1'000'000;
constexpr std::size_t kMaxScopes = 64;
constexpr std::uint64_t kMostThreads = 1U << 20;  // above every machine's
/// Of a kernel: CUDA 12.1 and later, compute capability 7.0 and above.
constexpr std::uint64_t kMaxParameterBytes = 32'764;

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

}  // namespace

void Parser::parse_function(bool is_kernel) {
  auto owned = std::make_unique<Function>();
  Function& function = *owned;
  function_ = &function;
  function.is_kernel = is_kernel;
  scopes_.assign(1, {});
  positions_.clear();
  source_ = 0;
  if (token_.is('(')) parse_parameters(function, function.results);
  function.line = token_.line;
  function.name = expect_word("a function's name");
  if (token_.is('(')) parse_parameters(function, function.parameters);
  lay_out_parameters(function);
  while (token_.is_word()) parse_tuning(function);
  if (!accept(';')) {
    expect('{');
    function.has_body = true;
    parse_body(function);
  }
  function_ = nullptr;
  const auto [known, is_new] =
      module_.function_names_.try_emplace(function.name, module_.functions_.size());
  if (is_new) {
    module_.functions_.push_back(std::move(owned));
    return;
  }
  std::unique_ptr<Function>& before = module_.functions_[known->second];
  if (!function.has_body) return;
  if (before->has_body) fail(fmt::format("the function {} is defined twice", function.name));
  before = std::move(owned);
}

/// .maxntid 256, 1, 1 and its like; but for the number of threads they only tune the machine's
/// code.
void Parser::parse_tuning(Function& function) {
  const std::string_view word = expect_word("a directive");
  const bool is_needed = word == ".reqntid";
  std::uint64_t product = 1;
  while (token_.kind == Token::Kind::kNumber) {
    product *= std::min(parse_whole(0xFFFFFFFF), kMostThreads);
    accept(',');
    product = std::min(product, kMostThreads);
  }
  if (!is_needed && word != ".maxntid") return;
  function.most_threads = product;
  function.needs_most_threads = is_needed;
}

void Parser::parse_parameters(Function& function, std::vector<std::uint32_t>& into) {
  expect('(');
  if (accept(')')) return;
  do {
    const std::string_view space = expect_word(".param or .reg");
    if (space == ".reg") {
      if (function.is_kernel) fail("a kernel's parameters are .param");
      function.has_register_parameters = true;
      Type type;
      if (!parse_type(expect_word("a type"), type)) fail("expected a type after .reg");
      scopes_.back().registers[expect_word("a register")] =
          static_cast<std::uint32_t>(function.registers.size());
      into.push_back(static_cast<std::uint32_t>(function.registers.size()));
      function.registers.push_back(type);
      continue;
    }
    if (space != ".param") fail(fmt::format("expected .param or .reg, got '{}'", space));
    into.push_back(static_cast<std::uint32_t>(function.variables.size()));
    add_variable(parse_variable(Space::kParam));
  } while (accept(','));
  expect(')');
}

void Parser::lay_out_parameters(Function& function) const {
  if (function.has_register_parameters) return;
  std::uint64_t at = 0;
  for (const std::uint32_t index : function.parameters) {
    Variable& parameter = function.variables[index];
    at = rounded_up(at, parameter.align);
    parameter.offset = at;
    at += parameter.bytes;
    if (at > kMaxParameterBytes) {
      fail(fmt::format("the parameters of {} exceed {} bytes", function.name, kMaxParameterBytes));
    }
  }
  function.parameter_bytes = at;
}

void Parser::parse_body(Function& function) {
  while (!scopes_.empty()) {
    if (token_.kind == Token::Kind::kEnd) {
      fail(fmt::format("the body of {} has no end", function.name));
    }
    if (accept('{')) {
      if (scopes_.size() == kMaxScopes) fail("braces are nested too deeply");
      scopes_.emplace_back();
    } else if (token_.is('}')) {
      close_scope(function);
      advance();
    } else if (token_.is_word() && token_.text[0] == '.') {
      parse_body_directive(function);
    } else if (!accept(';')) {
      parse_statement(function);
    }
  }
}

void Parser::close_scope(Function& function) {
  Scope scope = std::move(scopes_.back());
  scopes_.pop_back();
  for (const auto& [statement, operand] : scope.pending) {
    Operand& name = function.statements[statement].operands[operand];
    if (const auto found = scope.labels.find(name.text); found != scope.labels.end()) {
      name.index = found->second;
      name.value = 1;
    } else if (!scopes_.empty()) {
      scopes_.back().pending.emplace_back(statement, operand);
    }
  }
  if (!scopes_.empty()) return;
  for (auto& [label, targets] : function.branch_targets) {
    const std::vector<std::string>& names = target_names_[label];
    for (const std::string& name : names) {
      const auto found = scope.labels.find(name);
      if (found == scope.labels.end()) fail(fmt::format("unknown label '{}' in {}", name, label));
      targets.push_back(found->second);
    }
  }
  target_names_.clear();
}

void Parser::parse_body_directive(Function& function) {
  const Token first = token_;
  const std::string_view word = expect_word("a directive");
  if (word == ".reg") {
    parse_registers(function);
  } else if (word == ".loc") {
    parse_location(first.inline_asm);
  } else if (word == ".shared" || word == ".local" || word == ".param") {
    parse_variables(word == ".shared"  ? Space::kShared
                    : word == ".local" ? Space::kLocal
                                       : Space::kParam,
                    false);
  } else if (word == ".pragma" || word == ".callprototype" || word == ".calltargets") {
    skip_to_semicolon();
  } else {
    token_ = first;
    fail(fmt::format("unknown directive {}", shown()));
  }
}

Parser::Position Parser::parse_position() {
  Position position;
  for (std::uint32_t& part : position) part = static_cast<std::uint32_t>(parse_whole(0xFFFFFFFF));
  return position;
}

/// .loc FILE LINE COLUMN [, function_name LABEL [+ N], inlined_at FILE LINE COLUMN]
/// In an asm statement of several lines LLVM counts on from the statement's line, as if each were a
/// line of the source (Triton's loads are such), so only the first place in it is one.
void Parser::parse_location(std::uint32_t inline_asm) {
  const Position here = parse_position();
  std::uint32_t outer = 0;
  if (accept(',')) {
    if (!token_.is_word("function_name")) fail("expected function_name");
    advance();
    expect_word("a label");
    if (accept('+')) parse_whole(0xFFFFFFFF);
    expect(',');
    if (expect_word("inlined_at") != "inlined_at") fail("expected inlined_at");
    outer = source_at(parse_position(), 0);
  }
  if (inline_asm == 0 || inline_asm != placed_asm_) source_ = source_at(here, outer);
  placed_asm_ = inline_asm;
}

/// The number of a place; a new one where it was not seen in this function, or inlined elsewhere.
std::uint32_t Parser::source_at(const Position& position, std::uint32_t outer) {
  std::uint32_t& known = positions_[position];
  const bool is_same = known != 0 && (outer == 0 || module_.sources_[known].outer == outer);
  if (!is_same) {
    known = static_cast<std::uint32_t>(module_.sources_.size());
    module_.sources_.push_back({position[0], position[1], outer});
  }
  return known;
}

void Parser::parse_registers(Function& function) {
  Type type;
  const Token first = token_;
  if (!parse_type(expect_word("a type"), type)) {
    token_ = first;
    fail(fmt::format("{} is no type of a register", shown()));
  }
  do {
    const std::string_view name = expect_word("a register");
    std::uint64_t count = 1;
    const auto begin = static_cast<std::uint32_t>(function.registers.size());
    if (accept('<')) {
      count = parse_whole(kMaxRegisters);
      expect('>');
      scopes_.back().register_ranges[name] = {begin, static_cast<std::uint32_t>(count)};
    } else {
      scopes_.back().registers[name] = begin;
    }
    if (function.registers.size() + count > kMaxRegisters) {
      fail(fmt::format("more than {} registers", kMaxRegisters));
    }
    function.registers.insert(function.registers.end(), count, type);
  } while (accept(','));
  expect(';');
}

void Parser::parse_branch_targets(Function& function, std::string_view label) {
  advance();
  std::vector<std::string> names;
  do names.emplace_back(expect_word("a label"));
  while (accept(','));
  expect(';');
  function.branch_targets[std::string(label)];
  target_names_[std::string(label)] = std::move(names);
}

void Parser::parse_statement(Function& function) {
  Statement statement;
  if (accept('@')) {
    statement.guard_negated = accept('!');
    const Operand guard = parse_operand();
    if (guard.kind != Operand::Kind::kRegister || function.registers[guard.index].kind != 'p') {
      fail("a guard is a predicate register");
    }
    statement.guard = static_cast<std::int32_t>(guard.index);
  }
  statement.line = token_.line;
  statement.source = source_;
  statement.opcode = expect_word("an instruction");
  const auto number = static_cast<std::uint32_t>(function.statements.size());
  if (statement.guard < 0 && accept(':')) {
    if (token_.is_word(".branchtargets")) {
      parse_branch_targets(function, statement.opcode);
    } else if (!scopes_.back().labels.try_emplace(statement.opcode, number).second) {
      fail(fmt::format("the label '{}' is there twice", statement.opcode));
    }
    return;
  }
  if (!token_.is(';')) {
    do {
      statement.operands.push_back(parse_operand());
      if (statement.operands.back().kind == Operand::Kind::kName) {
        scopes_.back().pending.emplace_back(
            number, static_cast<std::uint32_t>(statement.operands.size() - 1));
      }
    } while (accept(','));
  }
  expect(';');
  function.statements.push_back(std::move(statement));
}

}  // namespace switchyard::kernels::xray

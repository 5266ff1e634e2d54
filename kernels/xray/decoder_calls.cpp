#include <fmt/format.h>

#include <algorithm>

#include "kernels/xray/decoder.h"
#include "kernels/xray/decoding.h"
#include "kernels/xray/warp.h"

// Branches, and calls, which become the function's body in the place of the call.

namespace switchyard::kernels::xray {
namespace {

constexpr int kMaxCalls = 64;
/// Of all branches by table; far above what compilers make of a kernel.
constexpr std::size_t kMaxTargets = 2'000'000;

}  // namespace

void Decoder::lower_branch(const Statement& statement) {
  Instruction in;
  in.flow = Flow::kBranch;
  in.kind = Kind::kControl;
  const bool is_label = statement.operands.size() == 1 &&
                        statement.operands[0].kind == Operand::Kind::kName &&
                        statement.operands[0].value == 1;
  if (!is_label) {
    fail(statement.line, statement.operands.empty()
                             ? std::string("a branch without a label")
                             : fmt::format("unknown label '{}'", statement.operands[0].text));
  }
  frame_->branches.emplace_back(program_.code.size(), statement.operands[0].index);
  add(in, statement);
}

void Decoder::lower_table(const Statement& statement) {
  const std::vector<Operand>& operands = statement.operands;
  if (operands.size() != 2 || operands[0].kind != Operand::Kind::kRegister) {
    fail(statement.line, "brx.idx takes a register and a list of labels");
  }
  const auto found = frame_->function->branch_targets.find(operands[1].text);
  if (found == frame_->function->branch_targets.end()) {
    fail(statement.line, fmt::format("unknown list of labels '{}'", operands[1].text));
  }
  if (statement.guard >= 0) fail(statement.line, "a branch by table under a guard");
  Instruction in;
  in.flow = Flow::kTable;
  in.kind = Kind::kControl;
  if (frame_->function->registers[operands[0].index].bits != 32) {
    fail(statement.line, "the index has 32 bits");
  }
  in.slot[0] = register_slot(operands[0].index);
  in.extra = static_cast<std::uint32_t>(program_.targets.size());
  in.target = static_cast<std::uint32_t>(found->second.size());
  if (program_.targets.size() + found->second.size() > kMaxTargets) {
    fail(statement.line, fmt::format("branches by table have more than {} targets", kMaxTargets));
  }
  for (const std::uint32_t target : found->second) {
    frame_->tables.emplace_back(program_.targets.size(), target);
    program_.targets.push_back(0);
  }
  add(in, statement);
}

void Decoder::lower_return(const Statement& statement, int depth) {
  Instruction in;
  in.kind = Kind::kControl;
  in.flow = depth == 0 ? Flow::kExit : Flow::kBranch;
  if (depth > 0) frame_->returns.push_back(static_cast<std::uint32_t>(program_.code.size()));
  add(in, statement);
}

/// Functions of CUDA's run-time library that have no body in PTX.
bool Decoder::lower_known_call(const Statement& statement, std::string_view name) {
  Instruction in;
  in.kind = Kind::kControl;
  if (name == "vprintf") {
    in.run = [](Warp&, const Instruction&) {};  // prints nothing, and leaves its result at 0
  } else if (name == "__assertfail" || name == "__assert_fail") {
    in.run = [](Warp& warp, const Instruction& at) {
      xray::fail(warp, at, static_cast<std::uint32_t>(__builtin_ctz(warp.active)),
                 "an assertion fails");
    };
  } else {
    return false;
  }
  add(in, statement);
  return true;
}

/// call.uni (results), name, (parameters); results and parameters may be missing.
void Decoder::lower_call(const Statement& statement, int depth) {
  static const std::vector<Operand> none;
  const std::vector<Operand>* results = &none;
  const std::vector<Operand>* parameters = &none;
  std::size_t at = 0;
  const std::vector<Operand>& operands = statement.operands;
  if (at < operands.size() && operands[at].kind == Operand::Kind::kVector) {
    results = &operands[at++].list;
  }
  if (at == operands.size() || operands[at].kind != Operand::Kind::kName) {
    fail(statement.line, "a call through a register is not supported");
  }
  const std::string_view name = operands[at++].text;
  if (at < operands.size() && operands[at].kind == Operand::Kind::kVector) {
    parameters = &operands[at++].list;
  }
  const Function* function = module_->function(name);
  if (function == nullptr || !function->has_body) {
    if (lower_known_call(statement, name)) return;
    fail(statement.line, fmt::format("the function {} has no body here", name));
  }
  if (std::find(calls_.begin(), calls_.end(), function) != calls_.end()) {
    fail(statement.line, fmt::format("the function {} calls itself, which is not supported", name));
  }
  if (depth == kMaxCalls) fail(statement.line, "calls are nested too deeply");
  if (function->has_register_parameters) {
    fail(statement.line, fmt::format("{} takes registers as parameters", name));
  }
  Instruction jump;  // what a guard keeps from the call goes around it
  jump.flow = Flow::kBranch;
  jump.kind = Kind::kControl;
  const auto around = static_cast<std::uint32_t>(program_.code.size());
  if (statement.guard >= 0) {
    add(jump, statement);
    program_.code.back().guard ^= kInvertedSlot;
  } else {
    jump.flow = Flow::kNext;
    jump.run = [](Warp&, const Instruction&) {};
    add(jump, statement);
  }
  Frame callee;
  callee.function = function;
  callee.places.resize(function->variables.size(), -1);
  pass_parameters(statement, *results, function->results, callee);
  pass_parameters(statement, *parameters, function->parameters, callee);
  lower(callee, depth + 1);
  if (statement.guard >= 0) {
    program_.code[around].target = static_cast<std::uint32_t>(program_.code.size());
  }
}

/// A parameter of the callee is the caller's variable of that name: both are places in the thread's
/// own memory.
void Decoder::pass_parameters(const Statement& call, const std::vector<Operand>& given,
                              const std::vector<std::uint32_t>& declared, Frame& callee) {
  if (given.size() != declared.size()) {
    fail(call.line, fmt::format("{} takes {} parameters and gets {}", callee.function->name,
                                declared.size(), given.size()));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    const bool is_place = given[i].kind == Operand::Kind::kVariable &&
                          variable(given[i].index).space == Space::kParam;
    if (!is_place) fail(call.line, "a call passes variables of .param alone");
    if (variable(given[i].index).bytes < callee.function->variables[declared[i]].bytes) {
      fail(call.line, fmt::format("parameter {} of {} is too small", i, callee.function->name));
    }
    callee.places[declared[i]] = place(given[i].index, call);
  }
}

}  // namespace switchyard::kernels::xray

#include "kernels/xray/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/api/error.h"
#include "kernels/xray/arrays.h"
#include "kernels/xray/decoding.h"
#include "kernels/xray/layout.h"
#include "kernels/xray/specials.h"
#include "kernels/xray/wrap.h"

namespace switchyard::kernels::xray {
namespace {

/// With every call in place; far above what compilers make of a kernel.
constexpr std::size_t kMaxInstructions = 2'000'000;
constexpr std::size_t kMaxLocalBytes = std::size_t{512} << 10;  // of a thread: CUDA's limit
constexpr std::size_t kMaxSharedBytes = std::size_t{228} << 10;
/// Of a warp's registers, and of constants: a slot's upper bits are flags.
constexpr std::size_t kMaxSlotBytes = std::size_t{64} << 20;

constexpr std::uint64_t rounded_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

}  // namespace

Decoder::Decoder(std::shared_ptr<const Module> module, const Image& image)
    : module_(std::move(module)), image_(image) {
  program_.module = module_;
}

void Decoder::fail(std::uint32_t line, std::string_view what) const {
  throw Error(fmt::format("{}:{}: {}", module_->file(), line, what));
}

Program Decoder::run(std::string_view kernel) {
  program_.kernel = module_->function(kernel);
  if (program_.kernel == nullptr || !program_.kernel->is_kernel || !program_.kernel->has_body) {
    throw Error(fmt::format("{}: there is no kernel {}; it has {}", module_->file(), kernel,
                            fmt::join(module_->kernels(), ", ")));
  }
  std::vector<const Function*> visited;
  place_shared(*program_.kernel, visited);
  program_.shared_bytes = rounded_up(program_.shared_bytes, 16);
  for (SharedVariable& one : program_.shared_variables) {
    if (one.is_dynamic) one.offset = program_.shared_bytes;
  }
  if (program_.shared_bytes > kMaxSharedBytes) {
    fail(program_.kernel->line, fmt::format("{} bytes of shared memory exceed {}",
                                            program_.shared_bytes, kMaxSharedBytes));
  }
  Frame frame;
  frame.function = program_.kernel;
  lower(frame, 0);
  Instruction end;  // for what falls off the end
  end.flow = Flow::kExit;
  end.kind = Kind::kControl;
  end.line = program_.kernel->line;
  program_.code.push_back(end);
  for (std::uint32_t i = 0; i < program_.code.size(); ++i) program_.code[i].next = i + 1;
  program_.local_bytes = rounded_up(program_.local_bytes, 16);
  find_arrays(program_, named_);
  lay_out(program_);
  return std::move(program_);
}

/// Gives the shared variables that a function and its callees name their places. Those of open size
/// all begin behind the others, where dynamic shared memory lies.
void Decoder::place_shared(const Function& function, std::vector<const Function*>& visited) {
  if (std::find(visited.begin(), visited.end(), &function) != visited.end()) return;
  visited.push_back(&function);
  for (const Statement& statement : function.statements) {
    for (const Operand& operand : statement.operands) {
      place_one_shared(operand, function);
      if (operand.kind != Operand::Kind::kName) continue;
      const Function* callee = module_->function(operand.text);
      if (callee != nullptr && visited.size() < 10'000) place_shared(*callee, visited);
    }
  }
}

void Decoder::place_one_shared(const Operand& operand, const Function& function) {
  for (const Operand& part : operand.list) place_one_shared(part, function);
  if (operand.kind != Operand::Kind::kVariable) return;
  const bool of_file = (operand.index & kModuleVariable) != 0;
  const std::uint32_t index = operand.index & ~kModuleVariable;
  const Variable& one = of_file ? module_->variables()[index] : function.variables[index];
  if (one.space != Space::kShared) return;
  const std::size_t number = program_.shared_variables.size();
  if (!shared_.try_emplace({of_file ? nullptr : &function, index}, number).second) return;
  if (one.bytes == 0) {
    program_.shared_variables.push_back({source_name(one.name), 0, 0, true});
    return;
  }
  const std::uint64_t place = rounded_up(program_.shared_bytes, std::max(one.align, 1U));
  program_.shared_bytes = place + one.bytes;
  program_.shared_variables.push_back({source_name(one.name), place, one.bytes});
}

ArraySet Decoder::array(std::uint32_t index) const {
  const bool of_file = (index & kModuleVariable) != 0;
  const auto found = shared_.find({of_file ? nullptr : frame_->function, index & ~kModuleVariable});
  if (found == shared_.end()) return 0;
  // The last bit stands for all that have none of their own.
  return ArraySet{1} << std::min<std::size_t>(found->second, 63);
}

void Decoder::check_slots(std::size_t bytes) const {
  static_assert(kMaxSlotBytes <= kInvertedSlot);
  if (bytes <= kMaxSlotBytes) return;
  fail(program_.kernel->line,
       fmt::format("a warp's registers or constants exceed {} bytes", kMaxSlotBytes));
}

Slot Decoder::allocate(std::size_t bytes) {
  // Vectors begin on cache lines, predicates anywhere.
  const std::size_t align = bytes < 64 ? bytes : 64;
  program_.register_bytes = rounded_up(program_.register_bytes, align);
  const auto slot = static_cast<Slot>(program_.register_bytes);
  program_.register_bytes += bytes;
  check_slots(program_.register_bytes);
  return slot;
}

std::int64_t Decoder::allocate_local(std::uint64_t bytes, std::uint32_t align) {
  program_.local_bytes = rounded_up(program_.local_bytes, std::max(align, 1U));
  const auto place = static_cast<std::int64_t>(program_.local_bytes);
  program_.local_bytes += bytes;
  if (program_.local_bytes > kMaxLocalBytes) {
    fail(program_.kernel->line,
         fmt::format("a thread needs more than {} bytes of local memory", kMaxLocalBytes));
  }
  return place;
}

Slot Decoder::register_slot(std::uint32_t index) {
  Slot& slot = frame_->registers[index];
  if (slot == kNoSlot) {
    const Type type = frame_->function->registers[index];
    slot = allocate(type.kind == 'p' ? 4 : std::max<std::size_t>(type.bytes(), 2) * kLanes);
  }
  return slot;
}

Slot Decoder::constant_slot(std::uint64_t bits, Type type) {
  if (type.kind == 'p') bits = bits != 0 ? kAllLanes : 0;
  const std::uint8_t width = type.kind == 'p' ? 1 : std::max<std::uint8_t>(type.bits, 16);
  const auto [known, is_new] = constants_.try_emplace({bits, width}, 0);
  if (!is_new) return known->second;
  const std::size_t bytes = width == 1 ? 4 : width / 8U;
  const std::size_t count = width == 1 ? 1 : kLanes;
  std::vector<std::byte>& pool = program_.constants;
  const std::size_t at = rounded_up(pool.size(), 64);
  check_slots(at + bytes * count);
  pool.resize(at + bytes * count);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t b = 0; b < bytes; ++b) {
      pool[at + i * bytes + b] = b < 8 ? static_cast<std::byte>(bits >> (8 * b)) : std::byte{0};
    }
  }
  return known->second = static_cast<Slot>(at) | kConstantSlot;
}

Slot Decoder::special_slot(std::string_view name, const Statement& statement) {
  if (const auto known = specials_.find(name); known != specials_.end()) return known->second;
  if (!is_special(name)) fail(statement.line, fmt::format("unknown register '{}'", name));
  const Slot slot = allocate(sizeof(std::uint32_t) * kLanes);
  specials_.emplace(name, slot);
  program_.specials.push_back({name, slot});
  return slot;
}

const Variable& Decoder::variable(std::uint32_t index) const {
  return (index & kModuleVariable) != 0 ? module_->variables()[index & ~kModuleVariable]
                                        : frame_->function->variables[index];
}

/// Where a variable lies within its space; a global one's address.
std::int64_t Decoder::place(std::uint32_t index, const Statement& statement) {
  const Variable& one = variable(index);
  const bool of_file = (index & kModuleVariable) != 0;
  if (one.space == Space::kShared) {
    const auto found =
        shared_.find({of_file ? nullptr : frame_->function, index & ~kModuleVariable});
    return static_cast<std::int64_t>(found != shared_.end()
                                         ? program_.shared_variables[found->second].offset
                                         : program_.shared_bytes);
  }
  if (of_file) {
    const std::uint64_t address = image_.address(index & ~kModuleVariable);
    if (address == 0) {
      fail(statement.line, fmt::format("{} is defined in another file", one.name));
    }
    return static_cast<std::int64_t>(address);
  }
  std::int64_t& place = frame_->places[index];
  if (place >= 0) return place;
  const bool is_kernel_parameter = calls_.size() == 1 && one.space == Space::kParam &&
                                   index < frame_->function->parameters.size();
  return place = is_kernel_parameter ? static_cast<std::int64_t>(one.offset)
                                     : allocate_local(one.bytes, one.align);
}

void Decoder::add(Instruction in, const Statement& statement) {
  in.source = statement.source;
  in.line = statement.line;
  if (statement.guard >= 0) {
    in.guard = register_slot(static_cast<std::uint32_t>(statement.guard)) ^
               (statement.guard_negated ? kInvertedSlot : 0);
  }
  if (program_.code.size() == kMaxInstructions) {
    fail(statement.line, fmt::format("the kernel has more than {} instructions", kMaxInstructions));
  }
  program_.code.push_back(in);
  named_.resize(program_.code.size(), 0);
}

void Decoder::lower(Frame& frame, int depth) {
  Frame* const outer = std::exchange(frame_, &frame);
  calls_.push_back(frame.function);
  frame.registers.resize(frame.function->registers.size(), kNoSlot);
  frame.places.resize(frame.function->variables.size(), -1);
  for (const Statement& statement : frame.function->statements) {
    frame.starts.push_back(static_cast<std::uint32_t>(program_.code.size()));
    lower_statement(statement, depth);
  }
  const auto end = static_cast<std::uint32_t>(program_.code.size());
  frame.starts.push_back(end);
  for (const auto& [at, statement] : frame.branches) {
    program_.code[at].target = frame.starts[statement];
  }
  for (const auto& [at, statement] : frame.tables) program_.targets[at] = frame.starts[statement];
  for (const std::uint32_t at : frame.returns) program_.code[at].target = end;
  calls_.pop_back();
  frame_ = outer;
}

void Decoder::lower_statement(const Statement& statement, int depth) {
  const Opcode opcode(statement.opcode);
  if (opcode.base == "bra") return lower_branch(statement);
  if (opcode.base == "brx") return lower_table(statement);
  if (opcode.base == "ret") return lower_return(statement, depth);
  if (opcode.base == "call") return lower_call(statement, depth);
  const OpcodeTable& table = opcode_table();
  auto row = table.find(std::string(opcode.base) + ' ' + opcode.family());
  if (row == table.end()) row = table.find(opcode.base);
  if (row == table.end()) {
    fail(statement.line, fmt::format("unknown or unsupported instruction '{}'", statement.opcode));
  }
  Decoding decoding(*this, statement, opcode);
  row->second(decoding);
  decoding.in.arithmetic = arithmetic_of(opcode);
  note_uses(decoding);
  add(decoding.in, statement);
  named_.back() = decoding.named_;
}

/// Writes down which registers an instruction reads and writes. A list that does not fit is left
/// out; no instruction has so many.
void Decoder::note_uses(Decoding& decoding) {
  constexpr std::size_t kMost = 255;
  if (decoding.reads_.size() > kMost || decoding.writes_.size() > kMost) return;
  std::vector<Slot>& uses = program_.uses;
  decoding.in.uses = static_cast<std::uint32_t>(uses.size());
  decoding.in.reads = static_cast<std::uint8_t>(decoding.reads_.size());
  decoding.in.writes = static_cast<std::uint8_t>(decoding.writes_.size());
  uses.insert(uses.end(), decoding.reads_.begin(), decoding.reads_.end());
  uses.insert(uses.end(), decoding.writes_.begin(), decoding.writes_.end());
}

}  // namespace switchyard::kernels::xray

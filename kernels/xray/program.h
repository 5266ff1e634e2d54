#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/xray/kind.h"
#include "kernels/xray/module.h"

namespace switchyard::kernels::xray {

struct Warp;
struct Instruction;

/// Does what an instruction says for the lanes that are set in Warp::active.
using Handler = void (*)(Warp&, const Instruction&);

/// Where an operand's 32 values lie: bytes into the warp's registers, or into the program's
/// constants if kConstantSlot is set. A predicate is one word with a bit per lane; it counts
/// inverted if kInvertedSlot is set.
using Slot = std::uint32_t;
inline constexpr Slot kConstantSlot = 1U << 31;
inline constexpr Slot kInvertedSlot = 1U << 30;
inline constexpr Slot kNoSlot = ~Slot{0};

/// What decides which instruction comes next.
enum class Flow : std::uint8_t {
  kNext,
  kBranch,  ///< to `target` for the lanes that the guard lets pass
  kTable,   ///< to Program::targets[extra + slot[0]]
  kExit,
  kBarrier,     ///< waits for other warps
  kCollective,  ///< waits for the lanes that are named in slot[4]
  kJoin         ///< where several ways back to a loop's head meet; no instruction of the kernel's
};

/// Instruction::option of an access to a parameter of a call, which a GPU passes in registers.
inline constexpr std::uint8_t kCallParameter = 1;

/// What an instruction does with values that were never written (undefined.h).
enum class DataFlow : std::uint8_t {
  kUse,      ///< its result depends on them
  kCopy,     ///< passes them on
  kSelect,   ///< passes one of slots 1 and 2 on, by the predicate in slot 3
  kAccess,   ///< uses the address in slot 1; its handler sees to the values
  kExchange  ///< its handler sees to all of it
};

/// What an instruction makes of a 32-bit index (wrap.h).
enum class Arithmetic : std::uint8_t {
  kNone,  ///< a number of its own
  kAdd,
  kSubtract,
  kMultiply,
  kMultiplyAdd,
  kShift,        ///< to the left
  kPass,         ///< the same number, or one of several; and sums and products of 64 bits
  kWidenSigned,  ///< to 64 bits, also on the way to a product
  kWidenUnsigned,
  kNarrow  ///< from 64 bits
};

/// Bits of Instruction::order: what an access says of the order of others.
inline constexpr std::uint8_t kStrong = 1;      ///< atomic, or volatile, relaxed, acquire, release
inline constexpr std::uint8_t kReleasing = 2;   ///< it is its own fence
inline constexpr std::uint8_t kBlockScope = 4;  ///< for the threads of its block alone

/// A decoded instruction. Which fields mean something depends on the handler.
struct Instruction {
  Handler run = nullptr;
  std::array<Slot, 5> slot{kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot};  ///< destination first
  Slot guard = kNoSlot;
  Flow flow = Flow::kNext;
  Kind kind = Kind::kOther;
  Space space = Space::kGeneric;
  std::uint8_t bytes = 4;         ///< of one element in memory
  std::uint8_t count = 1;         ///< elements of a vector, or matrices
  std::uint8_t address_bits = 0;  ///< of the register that holds the address, slot[1]; 0: none
  std::uint8_t option = 0;
  bool waits = false;      ///< may be what a thread spins on: volatile loads, exchanges
  std::uint8_t order = 0;  ///< kStrong ...
  DataFlow data_flow = DataFlow::kUse;
  Arithmetic arithmetic = Arithmetic::kNone;
  std::uint8_t reads = 0;   ///< registers that it reads, from Program::uses[uses] on,
  std::uint8_t writes = 0;  ///< and, behind them, those that it writes
  std::uint16_t flops = 0;  ///< of one lane
  std::uint32_t next = 0;
  std::uint32_t target = 0;
  std::uint32_t extra = 0;   ///< first of its further slots, or targets
  std::uint32_t source = 0;  ///< Module::sources
  std::uint32_t line = 0;    ///< of the PTX file
  std::uint32_t uses = 0;
  std::uint32_t arrays = 0;  ///< Program::array_sets: the shared arrays that its address means
  std::int64_t offset = 0;   ///< added to an address
};

/// A value that the machine supplies, and where the kernel reads it.
struct Special {
  std::string_view name;
  Slot slot;
};

/// Where a variable lies in a block's shared memory.
struct SharedVariable {
  std::string name;
  std::uint64_t offset;
  std::uint64_t bytes;
  bool is_dynamic = false;  ///< has as many bytes as the launch gives it
};

/// A bit for each of the first 64 of Program::shared_variables.
using ArraySet = std::uint64_t;

/// A kernel, decoded: functions are inlined, blocks are in the order in which lanes run (layout.h).
struct Program {
  std::shared_ptr<const Module> module;
  const Function* kernel = nullptr;
  std::vector<Instruction> code;
  std::uint32_t entry = 0;
  std::vector<Slot> slots;             ///< further operands, from Instruction::extra
  std::vector<std::uint32_t> targets;  ///< of branches by table
  std::vector<std::byte> constants;
  std::vector<Special> specials;
  std::vector<SharedVariable> shared_variables;
  std::vector<ArraySet> array_sets{0};  ///< the first: any
  std::vector<Slot> uses;               ///< registers of instructions, from Instruction::uses
  std::size_t register_bytes = 0;       ///< of a warp
  std::size_t shared_bytes = 0;         ///< static; dynamic shared memory begins here
  std::size_t local_bytes = 0;          ///< of a thread

  std::string place(const Instruction& at) const { return module->place(at.source, at.line); }
};

}  // namespace switchyard::kernels::xray

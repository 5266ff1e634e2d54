#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/xray/decode.h"

namespace switchyard::kernels::xray {

struct Opcode;
class Decoding;

/// Turns the statements of a kernel, and of the functions that it calls, into instructions.
class Decoder {
 public:
  Decoder(std::shared_ptr<const Module> module, const Image& image);
  Program run(std::string_view kernel);

 private:
  friend class Decoding;

  /// A function in the place of one of its calls. Its registers are its own.
  struct Frame {
    const Function* function = nullptr;
    std::vector<Slot> registers;        ///< kNoSlot until it is used
    std::vector<std::int64_t> places;   ///< of variables, -1 until it is used
    std::vector<std::uint32_t> starts;  ///< the first instruction of each statement
    std::vector<std::pair<std::uint32_t, std::uint32_t>> branches;  ///< instruction, statement
    std::vector<std::pair<std::uint32_t, std::uint32_t>> tables;    ///< target, statement
    std::vector<std::uint32_t> returns;                             ///< branches to the end
  };

  void place_shared(const Function& function, std::vector<const Function*>& visited);
  void place_one_shared(const Operand& operand, const Function& function);
  void lower(Frame& frame, int depth);
  void lower_statement(const Statement& statement, int depth);
  void note_uses(Decoding& decoding);
  void lower_branch(const Statement& statement);
  void lower_table(const Statement& statement);
  void lower_return(const Statement& statement, int depth);
  void lower_call(const Statement& statement, int depth);
  bool lower_known_call(const Statement& statement, std::string_view name);
  void pass_parameters(const Statement& call, const std::vector<Operand>& given,
                       const std::vector<std::uint32_t>& declared, Frame& callee);
  void add(Instruction in, const Statement& statement);

  Slot register_slot(std::uint32_t index);
  Slot constant_slot(std::uint64_t bits, Type type);
  Slot special_slot(std::string_view name, const Statement& statement);
  const Variable& variable(std::uint32_t index) const;
  std::int64_t place(std::uint32_t index, const Statement& statement);
  /// The shared array that a variable is; 0 where it is none.
  ArraySet array(std::uint32_t index) const;
  Slot allocate(std::size_t bytes);
  void check_slots(std::size_t bytes) const;
  std::int64_t allocate_local(std::uint64_t bytes, std::uint32_t align);
  [[noreturn]] void fail(std::uint32_t line, std::string_view what) const;

  std::shared_ptr<const Module> module_;
  const Image& image_;
  Program program_;
  Frame* frame_ = nullptr;
  std::vector<const Function*> calls_;  ///< functions whose bodies are being put in place
  std::map<std::pair<std::uint64_t, std::uint8_t>, Slot> constants_;
  std::map<std::string, Slot, std::less<>> specials_;
  /// Indices into Program::shared_variables; null: the file's variables.
  std::map<std::pair<const Function*, std::uint32_t>, std::size_t> shared_;
  std::vector<ArraySet> named_;  ///< the shared arrays that each instruction names
};

}  // namespace switchyard::kernels::xray

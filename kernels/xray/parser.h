#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/xray/lexer.h"
#include "kernels/xray/module.h"

namespace switchyard::kernels::xray {

/// Reads PTX by recursive descent, one token ahead. A name is resolved where it is read, but for
/// labels, which a scope resolves when it closes.
class Parser {
 public:
  explicit Parser(Module& module) : module_(module), lexer_(module.text_, module.file_) {
    advance();
  }
  void parse_file();

 private:
  /// What the names between two braces mean.
  struct Scope {
    struct Range {
      std::uint32_t first;
      std::uint32_t count;
    };
    std::map<std::string_view, std::uint32_t> registers;
    std::map<std::string_view, Range> register_ranges;  ///< by prefix: .reg .b32 %r<9>
    std::map<std::string, std::uint32_t, std::less<>> variables;
    std::map<std::string_view, std::uint32_t> labels;              ///< statement numbers
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pending;  ///< statement, operand
  };

  // parser.cpp
  void parse_directive();
  void parse_file_directive();
  void skip_to_semicolon();

  // parser_functions.cpp
  void parse_function(bool is_kernel);
  void parse_tuning(Function& function);
  void parse_parameters(Function& function, std::vector<std::uint32_t>& into);
  void lay_out_parameters(Function& function) const;
  void parse_body(Function& function);
  void parse_body_directive(Function& function);
  using Position = std::array<std::uint32_t, 3>;  ///< file, line, column
  void parse_location(std::uint32_t inline_asm);
  Position parse_position();
  std::uint32_t source_at(const Position& position, std::uint32_t outer);
  void parse_registers(Function& function);
  void parse_branch_targets(Function& function, std::string_view label);
  void parse_statement(Function& function);
  void close_scope(Function& function);

  // parser_variables.cpp
  void parse_variables(Space space, bool is_external);
  Variable parse_variable(Space space);
  void parse_initial(Variable& variable);
  void parse_initial_element(Variable& variable);
  void add_variable(Variable variable);

  // parser_operands.cpp
  Operand parse_operand(int depth = 0);
  Operand parse_list(char close, int depth);
  Operand parse_name(std::string_view word);
  bool find_register(std::string_view name, std::uint32_t& index) const;
  Operand parse_number();
  std::int64_t parse_addend();
  std::uint64_t parse_whole(std::uint64_t most);

  void advance() { token_ = lexer_.next(); }
  bool accept(char sign);
  void expect(char sign);
  std::string_view expect_word(std::string_view what);
  std::string shown() const;
  [[noreturn]] void fail(std::string_view what) const;

  Module& module_;
  Lexer lexer_;
  Token token_;
  Function* function_ = nullptr;  ///< whose body is read
  std::vector<Scope> scopes_;
  std::map<std::string, std::vector<std::string>> target_names_;  ///< of .branchtargets
  std::uint64_t variable_bytes_ = 0;                              ///< of the file's own variables
  std::map<Position, std::uint32_t> positions_;  ///< of this function: numbers of places
  std::uint32_t source_ = 0;
  std::uint32_t placed_asm_ = 0;  ///< the asm statement that had a place last
};

}  // namespace switchyard::kernels::xray

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard::kernels::xray {

/// One token of PTX text. `text` points into the text that was given to the lexer.
struct Token {
  enum class Kind {
    kWord,    ///< name, register, opcode with its modifiers, or directive: a dot belongs to a word
    kNumber,  ///< 12, 0x1F, 0f3F800000, 0d..., 1.5
    kString,  ///< without its quotes
    kSign,    ///< one character of punctuation
    kEnd
  };
  Kind kind = Kind::kEnd;
  std::string_view text;
  std::uint32_t line = 1;
  std::uint32_t inline_asm = 0;  ///< the number of the asm statement that it is part of, from 1

  bool is(char sign) const { return kind == Kind::kSign && text[0] == sign; }
  bool is_word() const { return kind == Kind::kWord; }
  bool is_word(std::string_view word) const { return kind == Kind::kWord && text == word; }
};

/// Cuts PTX text into tokens; comments are passed over, but for those with which LLVM encloses what
/// a source has in an asm statement. Errors: Error naming file and line for a character that PTX
/// does not have, a comment or string without end.
class Lexer {
 public:
  Lexer(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  Token next();
  /// Passes over everything up to the brace that closes the one that was read last.
  void skip_braces();
  const std::string& file() const { return file_; }

 private:
  void skip_blanks();
  void skip_line_comment();
  bool at_double_colon(std::size_t at) const;
  Token take(Token::Kind kind, std::size_t end);
  [[noreturn]] void fail(std::string_view what) const;

  std::string_view text_;
  std::string file_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::uint32_t inline_asm_ = 0;  ///< of the statement that has begun; 0 outside
  std::uint32_t asm_statements_ = 0;
};

}  // namespace switchyard::kernels::xray

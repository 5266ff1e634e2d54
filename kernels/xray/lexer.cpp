#include "kernels/xray/lexer.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
         c == '%';
}
constexpr std::string_view kSigns = "{}()[]<>;,:@!|+-=~*/&^?";

}  // namespace

void Lexer::fail(std::string_view what) const {
  throw Error(fmt::format("{}:{}: {}", file_, line_, what));
}

void Lexer::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      ++at_;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++at_;
    } else if (text_.substr(at_, 2) == "//") {
      skip_line_comment();
    } else if (text_.substr(at_, 2) == "/*") {
      const std::size_t end = text_.find("*/", at_ + 2);
      if (end == std::string_view::npos) fail("a comment has no end");
      line_ += static_cast<std::uint32_t>(std::count(&text_[at_], &text_[end], '\n'));
      at_ = end + 2;
    } else {
      return;
    }
  }
}

void Lexer::skip_line_comment() {
  const std::size_t end = std::min(text_.find('\n', at_), text_.size());
  const std::string_view comment = text_.substr(at_, end - at_);
  if (comment.starts_with("// begin inline asm")) inline_asm_ = ++asm_statements_;
  if (comment.starts_with("// end inline asm")) inline_asm_ = 0;
  at_ = end;
}

bool Lexer::at_double_colon(std::size_t at) const {
  return at + 2 < text_.size() && text_[at] == ':' && text_[at + 1] == ':' &&
         is_name(text_[at + 2]);
}

Token Lexer::take(Token::Kind kind, std::size_t end) {
  const Token token{kind, text_.substr(at_, end - at_), line_, inline_asm_};
  at_ = end;
  return token;
}

Token Lexer::next() {
  skip_blanks();
  if (at_ == text_.size()) return {Token::Kind::kEnd, {}, line_};
  const char first = text_[at_];
  std::size_t end = at_ + 1;
  if (is_digit(first)) {
    const bool is_hexadecimal = text_.substr(at_, 2) == "0x" || text_.substr(at_, 2) == "0X";
    const bool is_bits = first == '0' && end < text_.size() &&
                         std::string_view("fFdD").find(text_[end]) != std::string_view::npos;
    while (end < text_.size()) {
      const char before = text_[end - 1];
      const bool is_exponent = (text_[end] == '-' || text_[end] == '+') &&
                               (before == 'e' || before == 'E') && !is_hexadecimal && !is_bits;
      if (!is_name(text_[end]) && text_[end] != '.' && !is_exponent) break;
      ++end;
    }
    return take(Token::Kind::kNumber, end);
  }
  if (is_name(first) || first == '.') {
    while (end < text_.size()) {
      if (at_double_colon(end)) {
        end += 2;
      } else if (is_name(text_[end]) || text_[end] == '.') {
        ++end;
      } else {
        break;
      }
    }
    return take(Token::Kind::kWord, end);
  }
  if (first == '"') {
    end = text_.find_first_of("\"\n", end);
    if (end == std::string_view::npos || text_[end] == '\n') fail("a string has no end");
    ++at_;
    const Token token = take(Token::Kind::kString, end);
    ++at_;
    return token;
  }
  if (kSigns.find(first) == std::string_view::npos) {
    fail(fmt::format("the character '{}' is not one of PTX", text_.substr(at_, 1)));
  }
  return take(Token::Kind::kSign, end);
}

void Lexer::skip_braces() {
  for (int depth = 1; depth > 0;) {
    const Token token = next();
    if (token.kind == Token::Kind::kEnd) fail("a brace is not closed");
    if (token.is('{')) ++depth;
    if (token.is('}')) --depth;
  }
}

}  // namespace switchyard::kernels::xray

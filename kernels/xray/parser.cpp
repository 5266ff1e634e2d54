#include "kernels/xray/parser.h"

#include <fmt/format.h>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {

std::shared_ptr<const Module> Module::parse(std::string text, std::string file) {
  std::shared_ptr<Module> module(new Module);
  module->text_ = std::move(text);
  module->file_ = std::move(file);
  Parser(*module).parse_file();
  return module;
}

void Parser::fail(std::string_view what) const {
  throw Error(fmt::format("{}:{}: {}", lexer_.file(), token_.line, what));
}

std::string Parser::shown() const {
  if (token_.kind == Token::Kind::kEnd) return "the end of the file";
  return fmt::format("'{}'", token_.text.substr(0, 60));
}

bool Parser::accept(char sign) {
  if (!token_.is(sign)) return false;
  advance();
  return true;
}

void Parser::expect(char sign) {
  if (!accept(sign)) fail(fmt::format("expected '{}', got {}", sign, shown()));
}

std::string_view Parser::expect_word(std::string_view what) {
  if (!token_.is_word()) fail(fmt::format("expected {}, got {}", what, shown()));
  const std::string_view word = token_.text;
  advance();
  return word;
}

void Parser::parse_file() {
  if (!token_.is_word(".version")) {
    fail(fmt::format("PTX begins with .version, here is {}", shown()));
  }
  while (token_.kind != Token::Kind::kEnd) parse_directive();
}

void Parser::skip_to_semicolon() {
  while (!token_.is(';')) {
    if (token_.kind == Token::Kind::kEnd) fail("expected ';' before the end of the file");
    advance();
  }
  advance();
}

void Parser::parse_directive() {
  const Token first = token_;
  const std::string_view word = expect_word("a directive");
  if (word == ".version") {
    advance();
  } else if (word == ".address_size") {
    if (parse_whole(64) != 64) fail("only addresses of 64 bits are supported");
  } else if (word == ".target") {
    do expect_word("a target");
    while (accept(','));
  } else if (word == ".file") {
    parse_file_directive();
  } else if (word == ".section") {
    expect_word("a section's name");
    if (!token_.is('{')) fail(fmt::format("expected '{{', got {}", shown()));
    lexer_.skip_braces();
    advance();
  } else if (word == ".entry" || word == ".func") {
    parse_function(word == ".entry");
  } else if (word == ".global" || word == ".const" || word == ".shared") {
    const Space space = word == ".global"  ? Space::kGlobal
                        : word == ".const" ? Space::kConst
                                           : Space::kShared;
    parse_variables(space, false);
  } else if (word == ".extern" &&
             (token_.is_word(".shared") || token_.is_word(".global") || token_.is_word(".const"))) {
    const Space space = token_.text == ".shared"   ? Space::kShared
                        : token_.text == ".global" ? Space::kGlobal
                                                   : Space::kConst;
    advance();
    parse_variables(space, true);
  } else if (word == ".visible" || word == ".extern" || word == ".weak" || word == ".common") {
    return;  // linkage, which one file alone does not need
  } else if (word == ".pragma" || word == ".alias") {
    skip_to_semicolon();
  } else {
    token_ = first;
    fail(fmt::format("unknown directive {}", shown()));
  }
}

void Parser::parse_file_directive() {
  const auto number = static_cast<std::uint32_t>(parse_whole(0xFFFFFFFF));
  if (token_.kind != Token::Kind::kString) {
    fail(fmt::format("expected a file's name, got {}", shown()));
  }
  module_.files_[number] = token_.text;
  advance();
  while (accept(',')) parse_whole(~std::uint64_t{0});  // time and size, which older compilers write
}

}  // namespace switchyard::kernels::xray

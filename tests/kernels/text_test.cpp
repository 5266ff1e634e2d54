#include "kernels/api/text.h"

#include <gtest/gtest.h>

namespace switchyard {
namespace {

TEST(Text, Utf8IsTheUnicodeStandards) {
  for (const char* good :
       {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x82", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  const std::string_view bad[] = {"\xff",
                                  "\x80",
                                  "\xc3",
                                  "\xc0\xaf",
                                  "\xe2\x82",
                                  "\xe0\x80\xaf",
                                  "\xed\xa0\x80",
                                  "\xf5\x80\x80\x80",
                                  "\xf4\x90\x80\x80",
                                  "a\xe2(\xa1"};
  for (const std::string_view text : bad) EXPECT_FALSE(is_utf8(text)) << one_line(text);
}

TEST(Text, PlainTextMovesNoCursor) {
  EXPECT_TRUE(is_plain_text("T-shirt/top \xc3\xa9"));
  const std::string_view bad[] = {
      "a\nb", "\x1b[2J", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xff", std::string_view("\0", 1)};
  for (const std::string_view text : bad) EXPECT_FALSE(is_plain_text(text)) << one_line(text);
}

TEST(Text, OneLineEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(one_line("caf\xc3\xa9 'x'"), "caf\xc3\xa9 'x'");
  EXPECT_EQ(one_line("a\nb\r\t\x1b[31m\x7f"), "a\\nb\\r\\t\\x1b[31m\\x7f");
  EXPECT_EQ(one_line(std::string_view("\0x", 2)), "\\x00x");
  EXPECT_EQ(one_line("\xc2\x9b\xe2\x80\xae\xe2\x80\xa8"), "\\u009b\\u202e\\u2028");
  EXPECT_EQ(one_line("\xff\xc3(\xe2\x82"), "\\xff\\xc3(\\xe2\\x82");
}

TEST(Text, OneLineSaysHowMuchItLeavesOut) {
  EXPECT_EQ(one_line(std::string(10, 'x'), 10), std::string(10, 'x'));
  EXPECT_EQ(one_line(std::string(30, 'x'), 10), std::string(10, 'x') + "... (20 more bytes)");
  EXPECT_LT(one_line(std::string(1 << 20, '\n')).size(), 10'000U);
}

}  // namespace
}  // namespace switchyard

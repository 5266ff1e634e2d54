#include "engine/io/path_text.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/api/text.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

TEST(PathText, KeepsWhatIsUtf8AndEscapesTheRest) {
  EXPECT_EQ(text_of_path("/data/caf\xc3\xa9"), "/data/caf\xc3\xa9");
  EXPECT_EQ(text_of_path("/a\xff/b\\c"), "/a\\xff/b\\\\c");
  EXPECT_EQ(path_of_text("/a\\xff/b\\\\c"), "/a\xff/b\\c");
}

TEST(PathText, AnyPathSurvivesTheRoundTripAsUtf8) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string path;
    for (std::size_t n = 0; n < random() % 12; ++n) {
      const char* const likely = "\\x\xc3\xa9\xe2\x82\xac/f0";
      path += random() % 3 == 0 ? static_cast<char>(1 + random() % 255) : likely[random() % 11];
    }
    const std::string text = text_of_path(path);
    EXPECT_TRUE(is_utf8(text)) << one_line(text);
    EXPECT_EQ(path_of_text(text).native(), path) << one_line(text);
  }
}

TEST(PathText, ABackslashOfAnotherMeaningIsAnError) {
  for (const char* text : {"\\", "a\\n", "\\x", "\\xf", "\\xg0", "\\x-1", "\\x+1"}) {
    test::expect_error([&] { path_of_text(text); }, "a backslash must be doubled");
  }
}

}  // namespace
}  // namespace switchyard

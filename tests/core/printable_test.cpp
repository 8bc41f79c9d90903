#include "core/printable.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

TEST(Printable, ControlCharactersAreShownNotSent) {
  EXPECT_EQ(printable("a\x1b]0;b\x07"), "a\\x1b]0;b\\x07");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");  // C1
  EXPECT_EQ(printable("\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "x\xe2\x81\xa6"),
            "\\xe2\\x80\\xaex\\xe2\\x81\\xa6");  // turned writing
  EXPECT_EQ(printable("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
  EXPECT_EQ(printable_lines("a\nb\tc\r"), "a\nb\tc\\x0d");
}

TEST(Printable, TextStaysAsItIs) {
  const std::string text = "na\xc3\xafve \xe2\x80\x94 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 \xe2\x80\x99";
  EXPECT_EQ(printable(text), text);
  EXPECT_EQ(printable_lines(text), text);
  EXPECT_EQ(printable(""), "");
}

}  // namespace
}  // namespace varve

#pragma once
// Text that may come from a file, as a terminal may be given it.
#include <string>
#include <string_view>

namespace varve {

/// Line ends and tabs stay; every other control character (C0, DEL, C1, and those that turn the direction of
/// writing) becomes its bytes as \xNN, and so does what is not UTF-8 where a control character may hide in
/// it.
std::string printable_lines(std::string_view text);

/// The same, and line ends and tabs become \xNN as well.
std::string printable(std::string_view text);

/// A message of several lines in one.
std::string one_line(std::string_view text);

}  // namespace varve

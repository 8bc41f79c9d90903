#pragma once
// What the program may assume about where it writes: a person's terminal, or a file or pipe that must
// get nothing but the answer.
#include <cstdint>
#include <string>
#include <string_view>

namespace varve::app {

/// Standard output / standard error / standard input is a terminal.
bool output_is_terminal();
bool errors_are_terminal();
bool input_is_terminal();

/// Columns of the terminal on standard error, 80 when it does not say.
int terminal_width();

/// `text` dimmed for standard error: unchanged when that is no terminal, NO_COLOR is set or TERM is dumb.
std::string dim(std::string_view text);

/// "92.9 MB": decimal units, as disks and networks count.
std::string size_text(uint64_t bytes);

/// "0:04", "1:02:09".
std::string duration_text(double seconds);

/// Control characters made visible, so that a name from a file cannot drive the terminal.
std::string printable(std::string_view text);

}  // namespace varve::app

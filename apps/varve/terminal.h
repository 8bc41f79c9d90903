#pragma once
// What the program may assume about where it writes: a person's terminal, or a file or pipe that must
// get nothing but the answer.
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/printable.h"

namespace varve::app {

/// Standard output / standard error / standard input is a terminal.
bool output_is_terminal();
bool errors_are_terminal();
bool input_is_terminal();
/// The same as errors_are_terminal(), and TERM names one that knows escape sequences.
bool errors_take_escapes();

/// Columns of the terminal on standard error, 80 when it does not say.
int terminal_width();

/// `text` dimmed for standard error: unchanged when that is no terminal, NO_COLOR is set or TERM is dumb.
std::string dim(std::string_view text);

/// Makes sure that 0, 1 and 2 are open, so that no file of the program's gets their numbers; what the caller
/// has closed reads as empty and cannot be written.
void open_standard_streams();

/// Writes to standard error. What cannot be written there is lost, and ends nothing.
void tell_text(std::string_view text);
template <class... T>
void tell(fmt::format_string<T...> format, T&&... values) {
  tell_text(fmt::format(format, std::forward<T>(values)...));
}

/// "92.9 MB": decimal units, as disks and networks count.
std::string size_text(uint64_t bytes);

/// "0:04", "1:02:09".
std::string duration_text(double seconds);

}  // namespace varve::app

#pragma once
// How this folder refuses a file: one LoadError, with whatever the file said made safe to print.
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace varve::checkpoint {

/// Text from a file for a message: in double quotes, control characters and invalid UTF-8 as \xNN, cut
/// after 120 bytes.
std::string in_quotes(std::string_view text);

/// "a, b, c and 4 more": at most `most` of the names, each quoted.
std::string listed(const std::vector<std::string>& names, size_t most = 5);

struct Refusal {
  std::string expected = {};
  std::string found = {};
  std::string advice = {};
};
[[noreturn]] void refuse(std::string where, std::string what, Refusal more = {});

/// Whether the bytes are UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

/// Refuses a tensor's name that is empty, longer than the cap, not UTF-8 or holds control characters.
void check_name(std::string_view name, const std::string& where);

}  // namespace varve::checkpoint

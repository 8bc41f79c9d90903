#pragma once
// JSON strings, written and read.
#include <optional>
#include <string>
#include <string_view>

namespace varve::text::syntax {

/// The text as it stands between the quotes of a JSON string.
void append_escaped(std::string& out, std::string_view text);

/// The text as a JSON string.
std::string json_string(std::string_view text);

/// What a JSON string says; nothing when `json` is none.
std::optional<std::string> text_of_json(std::string_view json);

}  // namespace varve::text::syntax

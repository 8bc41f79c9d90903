#pragma once
// Frames of a stream of server-sent events, and the names that things in answers have.
#include <string>
#include <string_view>

#include "core/value.h"

namespace varve::http {

/// "data: {...}", and an empty line. JSON holds no line end.
void append_frame(std::string& out, const Value& data);
/// With a line "event: NAME" before it.
void append_frame(std::string& out, std::string_view event, const Value& data);

/// `prefix` and 24 random letters and digits: never twice.
std::string random_id(std::string_view prefix);

}  // namespace varve::http

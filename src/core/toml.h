#pragma once
// TOML text -> Value, each value with its line, members in the order of the text (the order of rules
// matters in family files).
#include <filesystem>
#include <string_view>

#include "core/value.h"

namespace varve::toml {

/// A LoadError names `origin` and the line.
Value parse(std::string_view text, std::string_view origin);

/// parse() of a whole file.
Value read_file(const std::filesystem::path& file);

}  // namespace varve::toml

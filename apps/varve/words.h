#pragma once
// Values on the command line and on standard input, read strictly.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::app {

/// Token ids: "1,2,3", with or without blanks, or as JSON a list or an object with "ids". A UsageError
/// names what is no id.
std::vector<int32_t> read_ids(std::string_view text);

/// Every byte belongs to a well-formed character (Unicode 15, table 3-7).
bool is_utf8(std::string_view text);

/// All of standard input, byte for byte. A LoadError above 1 GB, or when it cannot be read.
std::string read_standard_input();

/// A whole file, or standard input for "-".
std::string read_input(const std::string& file);

}  // namespace varve::app

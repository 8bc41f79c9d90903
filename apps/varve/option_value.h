#pragma once
// Words of the command line, of the environment and of a config file as the values of options: read the same
// way, and refused in the same words, wherever they stand.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli.h"

namespace varve::app {

/// All of `text` as a decimal number; neither 0x10 nor inf is one, and 010 is ten.
template <class T>
std::optional<T> read_decimal(const std::string& text);
extern template std::optional<int64_t> read_decimal(const std::string&);
extern template std::optional<double> read_decimal(const std::string&);

/// "4096", "512MB", "4 GB", "1.5GiB".
std::optional<int64_t> read_bytes(const std::string& text);

/// What is wrong with the word; "" when nothing is.
template <class T>
std::string refuse_number(const std::string& text, const Options::Range& range);
extern template std::string refuse_number<int64_t>(const std::string&, const Options::Range&);
extern template std::string refuse_number<double>(const std::string&, const Options::Range&);
std::string refuse_bytes(const std::string& text, const Options::Range& range);
std::string refuse_choice(const std::string& text, const std::vector<std::string>& words);

}  // namespace varve::app

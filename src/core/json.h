#pragma once
// JSON text <-> Value. Reading is strict (RFC 8259, UTF-8, no duplicate keys) and capped, because files
// and requests are hostile until checked. NaN and Infinity, which Python writes into configs, are read as
// those numbers; read_file() takes {"__float__": "Infinity"} for one as well, as newer Transformers write it.
#include <filesystem>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/value.h"

namespace varve::json {

/// Caps of one document. The defaults are those for config files.
struct Limits {
  size_t bytes = size_t{16} << 20;
  int depth = 64;
  size_t keys = 100'000;           // members over the whole document
  size_t items = 10'000'000;       // elements of lists, likewise
  size_t text = size_t{64} << 20;  // one string
};

/// The document, or what is wrong with it and at which byte.
Result<Value> parse(std::string_view text, const Limits& limits = {});

/// parse() of a whole file; a LoadError names the file.
Value read_file(const std::filesystem::path& file, const Limits& limits = {});

/// indent < 0: one line, "," and ":" without blanks. Non-ASCII stays UTF-8 (invalid bytes are replaced).
/// Reals are written so that reading gives the same double.
std::string dump(const Value& value, int indent = -1);

/// The text that Python's json.dumps(value, indent=N) gives, byte for byte: ASCII alone, reals as Python's
/// repr spells them (1e-05, 10000.0). What JSON has no number for becomes {"__float__": "Infinity"} as in
/// files of newer Transformers. No line end at the end.
std::string dump_as_python(const Value& value, int indent);

/// The table with its own members in order of their names, those of inner tables as they are: config.json as
/// MLX's converter orders it.
Value with_sorted_members(Value table);

}  // namespace varve::json

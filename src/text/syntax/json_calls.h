#pragma once
// Calls as JSON objects, alone, one behind the other or in a list.
#include <memory>
#include <string>
#include <vector>

#include "text/syntax/block.h"

namespace varve::text::syntax {

struct JsonForm {
  /// {"f": {...}} instead of {"name": "f", "arguments": {...}}.
  bool name_is_key = false;
  /// No marker says that this is a call, so what is not exactly one is text.
  bool strict = false;
  /// Markers that may stand before the calls.
  std::vector<std::string> before;
  /// Markers that may end the block, the usual one first.
  std::vector<std::string> close;

  // How the model itself writes: the rest is for grammars alone.
  std::string name_key = "name";
  std::string arguments_key = "arguments";
  /// Before the name: {"tool_call_id": "0", ...}; "" for none.
  std::string id_key;
  /// Calls stand in one list: open call (between call)* close. Otherwise each has its own block.
  bool list = false;
  std::string opening;  // with the block's marker
  /// A space may follow the marker, as some tokenizers put one behind control tokens.
  bool space_behind_marker = false;
  std::string between;  // calls of a list, or blocks
  std::string closing;
};

std::unique_ptr<Block> json_calls(const JsonForm& form);

}  // namespace varve::text::syntax

#pragma once
// Calls written as a name between markers and arguments as a JSON object: each call is a row of the same
// elements.
#include <memory>
#include <string>
#include <vector>

#include "text/syntax/block.h"

namespace varve::text::syntax {

/// White space before an element does not matter.
struct Element {
  enum class Kind {
    marker,  // the first of `texts` that is there; one must be
    may,     // the same; none need be
    name,    // the tool's name, up to the first of `texts` that follows; that is not taken
    id,  // the call's id up to the first of `texts`, which is not taken; only behind a marker `may` that is
         // there
    ignored,    // any text up to the first of `texts`, which is not taken
    arguments,  // a JSON object
  };
  Kind kind = Kind::marker;
  std::vector<std::string> texts = {};
  /// What the model itself writes for a marker, or behind a name; for grammars. "" for a `may` that it leaves
  /// out.
  std::string written = {};
};

struct NamedForm {
  std::vector<Element> elements;
  /// Calls follow each other in one block.
  bool repeats = false;
  /// Names are written functions.NAME:INDEX, and that is the call's id.
  bool indexed_names = false;
  /// Markers that may end the block, the usual one first.
  std::vector<std::string> close;
  /// A further delimiter of strings in the arguments, whose keys then have no quotes; "" for JSON.
  std::string quote;
  /// Not a call but the way to write text: "" for none.
  std::string plain_name;

  // For grammars.
  std::string opening;
  std::string between;
  std::string closing;
};

std::unique_ptr<Block> named_calls(const NamedForm& form);

}  // namespace varve::text::syntax

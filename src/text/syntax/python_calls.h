#pragma once
// Calls written as Python calls with keyword arguments: [f(a=1, b='x'), g()], or one a line without brackets.
// Values may be Python's or JSON's; they come out as JSON.
#include <memory>
#include <string>
#include <vector>

#include "text/syntax/block.h"

namespace varve::text::syntax {

struct PythonForm {
  /// Markers that may end the block, the usual one first.
  std::vector<std::string> close;
  /// Behind each name, where a model writes one: f.call(a=1).
  std::string method;

  // For grammars: with the block's marker.
  std::string opening;
  std::string between;
  std::string closing;
};

std::unique_ptr<Block> python_calls(const PythonForm& form);

}  // namespace varve::text::syntax

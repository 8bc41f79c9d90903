#pragma once
// Calls written as tags, each parameter between tags of its own:
// <function=f><parameter=a>1</parameter></function>. The values are plain text and become JSON by the types
// of the tool's schema (tool_set.h): strings as they are written, everything else when it is complete.
//
// A closing tag inside a value is part of the value: one counts only before the next parameter or the end of
// the call.
#include <memory>
#include <string>
#include <vector>

#include "text/syntax/block.h"

namespace varve::text::syntax {

struct TagForm {
  /// What the end of a parameter's name says about its value.
  enum class Says { nothing, text, json };
  struct NameEnd {
    std::string text;
    Says says = Says::nothing;
  };

  std::string call_open;                    // before the tool's name; "" where the block's marker is that
  std::vector<std::string> name_end;        // behind it; a single "<" is not taken
  std::string parameter_open;               // before a parameter's name
  std::vector<NameEnd> parameter_name_end;  // behind it
  std::string value_open;                   // between that and the value; may be ""
  std::string value_close;
  std::string call_close;
  std::vector<std::string> close;  // markers that may end the block, the usual one first
  bool values_on_lines = false;    // a line end begins and ends each value and is no part of it

  // For grammars: what stands between the tags.
  std::string opening;           // with the block's marker, before the first call
  std::string name_written;      // behind the tool's name
  std::string before_parameter;  // this and the next two: white space
  std::string before_value;      // between name_end and value_open
  std::string before_call_close;
  std::string between;  // calls of one block, or blocks where `separate_blocks`
  std::string closing;
  bool separate_blocks = false;
};

std::unique_ptr<Block> tagged_calls(const TagForm& form);

}  // namespace varve::text::syntax

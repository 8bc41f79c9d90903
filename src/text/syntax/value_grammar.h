#pragma once
// Grammars of arguments that are not JSON: plain text between tags, Python's literals, objects with bare
// keys.
#include <string>

#include "text/syntax/lark.h"
#include "text/syntax/tool_set.h"

namespace varve::text::syntax {

/// One parameter of a tool, in the order of its schema.
struct Parameter {
  std::string name;
  const Value* schema;  // as it stands; references not resolved
  bool required = false;
};

/// The parameters that the schema of `object` names. `open`: it names none and allows any.
std::vector<Parameter> parameters_of(const Value& object, const Value& root, bool& open);

/// The schema of a tool's arguments: an object, whatever the tool says. A tool that names its parameters and
/// says nothing about others takes no others.
Value arguments_schema(const Tool& tool);

/// A value as plain text and its closing tag: enumerations as they are spelled, strings by length and pattern
/// (formats are not held), other types as JSON.
std::string plain_value(Lark& lark, const Value& schema, const Value& root, const std::string& end);

/// A value as Python writes it; JSON where that is read as well.
std::string python_value(Lark& lark, const Value& schema, const Value& root);

/// An object {key:value,...} whose keys are bare and whose strings stand between `quote`s.
std::string bare_object(Lark& lark, const Value& schema, const Value& root, const std::string& quote);

/// Items in their order, those that are not required may be left out, `separator` between those that are
/// there.
struct Item {
  std::string expression;
  bool required = false;
};
std::string separated(Lark& lark, const std::vector<Item>& items, const std::string& separator);

}  // namespace varve::text::syntax

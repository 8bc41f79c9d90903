#pragma once
// The tools that a request offers, as readers and grammars need them.
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace varve::text::syntax {

struct Tool {
  std::string name;
  Value parameters;     // a JSON schema of an object, or null: nothing is known about them
  bool strict = false;  // arguments must fulfil the schema even where the model chooses freely to call
};

/// In the order of the request. Names are unique.
class ToolSet {
 public:
  ToolSet() = default;
  explicit ToolSet(std::vector<Tool> tools) : tools_(std::move(tools)) {}

  const Tool* find(std::string_view name) const;
  const std::vector<Tool>& all() const { return tools_; }
  bool empty() const { return tools_.empty(); }

 private:
  std::vector<Tool> tools_;
};

/// The kinds of JSON value that a schema allows, as far as it says: a set of bits.
enum TypeBits : unsigned {
  kUnknownType = 0,
  kString = 1,
  kInteger = 2,
  kNumber = 4,
  kBoolean = 8,
  kNull = 16,
  kArray = 32,
  kObject = 64
};

/// `root` resolves the local references of `schema`. Unions count with all of their members.
unsigned schema_types(const Value& schema, const Value& root);

/// The schema behind local references ("#/$defs/x"), or null when one leads nowhere.
const Value* resolve_schema(const Value& schema, const Value& root);

/// The schema of one parameter, or null when the tool's schema does not name it. References are resolved.
const Value* parameter_schema(const Tool& tool, std::string_view parameter);

/// The types of one parameter.
unsigned parameter_types(const Tool& tool, std::string_view parameter);

/// The value of a parameter that was written as plain text, as JSON of one of `types`. What fits none of them
/// is a string: an argument of the wrong type is told to the model by whoever runs the tool, a lost call is
/// not. Where a string is the only type the text is taken as it is; otherwise white space around it does not
/// count, "230.0" is the integer 230, and Python's spellings are understood.
std::string typed_json(std::string_view text, unsigned types);

}  // namespace varve::text::syntax

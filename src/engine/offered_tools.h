#pragma once
// The tools of a request, as ChatInput::tools lists them for the template, checked and made ready for readers
// and grammars: {"type": "function", "function": {"name", "description", "parameters", "strict"}}.
#include "core/error.h"
#include "core/value.h"
#include "text/syntax/tool_set.h"

namespace varve::engine {

struct OfferedTools {
  text::syntax::ToolSet all;
  bool any_strict = false;
};

inline constexpr size_t kMaxTools = 1024;
inline constexpr size_t kMaxToolName = 256;

/// Null is no tools. A RequestError says which entry is wrong, and how.
Result<OfferedTools> offered_tools(const Value& tools);

}  // namespace varve::engine

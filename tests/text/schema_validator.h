#pragma once
// Whether an instance fulfils a JSON schema, for the keywords that constrained decoding takes: slow and
// obvious. The JSON-Schema-Test-Suite is what it is held to (schema_suite_test.cpp). Formats are not looked
// at.
#include "core/value.h"

namespace varve::text {

enum class Draft { draft7, draft2020 };

bool validates(const Value& instance, const Value& schema, Draft draft);

}  // namespace varve::text

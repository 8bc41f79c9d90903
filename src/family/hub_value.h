#pragma once
// Members of the config.json that a GGUF file becomes, as family files say them under [gguf.hub].
#include <optional>
#include <string>

#include "family/answers.h"
#include "family/family.h"

namespace varve::family {

/// Structure only; that its keys exist is checked with the rest of the family.
HubValue read_hub_value(const Value& value, const std::string& file);

/// What is written, with the GGUF file's answers; without a value the member is left out.
std::optional<Value> evaluate(const HubValue& value, Answers& answers);

}  // namespace varve::family

#pragma once
// GET /v1/models and GET /v1/models/NAME in the OpenAI protocol. Clients look for the context's size under
// several names; each has it.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/protocol.h"

namespace varve::http {

std::string openai_models_body(std::span<const ServedModel> models);
/// Nothing when there is no such model: the answer is then a 404 with the field "model".
std::optional<std::string> openai_model_body(std::span<const ServedModel> models, std::string_view name);

}  // namespace varve::http

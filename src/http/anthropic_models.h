#pragma once
// GET /v1/models and GET /v1/models/NAME in the Anthropic protocol, whose clients send the header
// "anthropic-version".
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/protocol.h"

namespace varve::http {

/// Whether a request is of this protocol where the path does not tell.
bool speaks_anthropic(const Headers& headers);

std::string anthropic_models_body(std::span<const ServedModel> models);
/// Nothing when there is no such model: the answer is then a 404.
std::optional<std::string> anthropic_model_body(std::span<const ServedModel> models, std::string_view name);

}  // namespace varve::http

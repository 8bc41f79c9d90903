#pragma once
// How much a model is to think, as variables of its chat template: what a template does not speak of cannot
// be asked for.
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/value.h"
#include "engine/request.h"
#include "text/syntax/registry.h"

namespace varve::engine {

/// Sets the template's variables for `wanted`. A RequestError names what this model cannot do.
std::optional<RequestError> set_thinking(const Reasoning& wanted, const text::syntax::SyntaxChoice& syntax,
                                         std::string_view chat_template, Table& variables);

/// Whether the model writes thoughts at all.
bool thinks(const text::syntax::SyntaxChoice& syntax);

}  // namespace varve::engine

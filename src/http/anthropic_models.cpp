#include "http/anthropic_models.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "core/json.h"

namespace varve::http {

namespace {

Value model_value(const ServedModel& model) {
  Table out;
  out.set("type", Value("model"));
  out.set("id", Value(model.name));
  out.set("display_name", Value(model.name));
  out.set("created_at",
          Value(fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(model.created)))));
  out.set("lifecycle", Value("active"));
  out.set("max_input_tokens", Value(model.context));
  out.set("max_tokens", Value(model.max_tokens.value_or(model.context)));
  return Value(std::move(out));
}

}  // namespace

bool speaks_anthropic(const Headers& headers) { return !headers.get("anthropic-version").empty(); }

std::string anthropic_models_body(std::span<const ServedModel> models) {
  Array data;
  for (const ServedModel& model : models) data.push_back(model_value(model));
  Table body;
  body.set("data", Value(std::move(data)));
  body.set("has_more", Value(false));
  body.set("first_id", models.empty() ? Value() : Value(models.front().name));
  body.set("last_id", models.empty() ? Value() : Value(models.back().name));
  return json::dump(Value(std::move(body)));
}

std::optional<std::string> anthropic_model_body(std::span<const ServedModel> models, std::string_view name) {
  for (const ServedModel& model : models)
    if (model.name == name) return json::dump(model_value(model));
  return std::nullopt;
}

}  // namespace varve::http

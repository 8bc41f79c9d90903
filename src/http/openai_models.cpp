#include "http/openai_models.h"

#include <utility>

#include "core/json.h"

namespace varve::http {

namespace {

Value model_value(const ServedModel& model) {
  Table meta;
  meta.set("n_ctx", Value(model.context));
  meta.set("n_ctx_train", Value(model.context));
  Table out;
  out.set("id", Value(model.name));
  out.set("object", Value("model"));
  out.set("created", Value(model.created));
  out.set("owned_by", Value("varve"));
  for (const std::string_view name :
       {"context_length", "max_context_length", "loaded_context_length", "max_model_len", "context_window"})
    out.set(name, Value(model.context));
  out.set("max_output_tokens", Value(model.max_tokens.value_or(model.context)));
  out.set("meta", Value(std::move(meta)));
  return Value(std::move(out));
}

}  // namespace

std::string openai_models_body(std::span<const ServedModel> models) {
  Array data;
  for (const ServedModel& model : models) data.push_back(model_value(model));
  Table body;
  body.set("object", Value("list"));
  body.set("data", Value(std::move(data)));
  return json::dump(Value(std::move(body)));
}

std::optional<std::string> openai_model_body(std::span<const ServedModel> models, std::string_view name) {
  for (const ServedModel& model : models)
    if (model.name == name) return json::dump(model_value(model));
  return std::nullopt;
}

}  // namespace varve::http

#include "http/info.h"

#include <fmt/format.h>

#include "core/json.h"

namespace varve::http {

namespace {

Reply json_reply(Table table, int status = 200) {
  return {.status = status, .body = json::dump(Value(std::move(table)))};
}

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::loading:
      return "loading";
    case Phase::ready:
      return "ok";
    case Phase::stopping:
      return "stopping";
  }
  return "";
}

/// Members of `body` besides `known` are refused.
std::optional<RequestError> refuse_unknown(const Value& body, const std::vector<std::string>& known) {
  for (const auto& [name, value] : body.table()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest(name, known);
    return RequestError{fmt::format("There is no member '{}' here.{}", name.substr(0, 100),
                                    near.empty() ? "" : fmt::format(" Did you mean '{}'?", near)),
                        name.substr(0, 100)};
  }
  return std::nullopt;
}

Result<bool> flag_of(const Value& body, const char* name, bool otherwise) {
  const Value* value = body.find(name);
  if (!value) return otherwise;
  if (value->is_boolean()) return value->boolean();
  return RequestError{fmt::format("{} is {}, not true or false.", name, value->kind_name()), name};
}

RequestError no_tokenizer() { return {"This model has no tokenizer.", ""}; }

bool is_utf8_piece(const std::string& bytes) {
  // What dump() would have to replace cannot be told as text.
  const Result<Value> back = json::parse(json::dump(Value(bytes)));
  return back && back.value().is_text() && back.value().text() == bytes;
}

Value piece_of(const text::Tokenizer& tokenizer, int32_t id) {
  std::string bytes = tokenizer.bytes(id);
  if (is_utf8_piece(bytes)) return Value(std::move(bytes));
  Array list;
  for (const char byte : bytes) list.emplace_back(static_cast<int>(static_cast<unsigned char>(byte)));
  return Value(std::move(list));
}

}  // namespace

Reply health(const HttpRequest&, const Service& service) {
  const Phase phase = service.phase();
  Table table;
  table.set("status", phase_name(phase));
  Reply reply = json_reply(std::move(table), phase == Phase::ready ? 200 : 503);
  if (phase != Phase::ready) reply.headers.emplace_back("Retry-After", "1");
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

Reply props(const HttpRequest&, const Service& service) {
  Table table;
  table.set("status", phase_name(service.phase()));
  const Serving* serving = service.serving();
  if (serving) {
    table.set("model", serving->model.name);
    table.set("context", serving->model.context);
    table.set("created", serving->model.created);
    Array templates;
    if (serving->model.text)
      for (const std::string& name : serving->model.text->templates().names()) templates.emplace_back(name);
    table.set("chat_templates", Value(std::move(templates)));
    table.set("settings", Value(serving->settings));
  }
  return json_reply(std::move(table));
}

Reply metrics(const HttpRequest&, const Service& service) {
  const Serving* serving = service.serving();
  std::optional<engine::Metrics> engine;
  if (serving) engine = serving->thread->metrics();
  return {.status = 200,
          .body = metrics_text(engine ? &*engine : nullptr, service.counters()),
          .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

Result<Reply> tokenize(const HttpRequest&, const Value& body, const Serving& serving) {
  const ServedModel& model = serving.model;
  if (!model.text) return no_tokenizer();
  if (const auto error = refuse_unknown(body, {"content", "add_special", "parse_special", "with_pieces"}))
    return *error;
  const Value* content = body.find("content");
  if (!content || !content->is_text()) return RequestError{"content is not a text.", "content"};
  const Result<bool> add_special = flag_of(body, "add_special", false);
  if (!add_special) return add_special.error();
  const Result<bool> parse_special = flag_of(body, "parse_special", true);
  if (!parse_special) return parse_special.error();
  const Result<bool> with_pieces = flag_of(body, "with_pieces", false);
  if (!with_pieces) return with_pieces.error();

  const text::Tokenizer& tokenizer = model.text->tokenizer();
  const auto ids = tokenizer.encode(
      content->text(), {.add_special = add_special.value(), .parse_special = parse_special.value()});
  if (!ids) return RequestError{ids.error().message, "content"};
  Array tokens;
  for (const int32_t id : ids.value()) {
    if (!with_pieces.value()) {
      tokens.emplace_back(id);
      continue;
    }
    Table token;
    token.set("id", id);
    token.set("piece", piece_of(tokenizer, id));
    tokens.emplace_back(std::move(token));
  }
  Table table;
  table.set("tokens", Value(std::move(tokens)));
  return json_reply(std::move(table));
}

Result<Reply> detokenize(const HttpRequest&, const Value& body, const Serving& serving) {
  const ServedModel& model = serving.model;
  if (!model.text) return no_tokenizer();
  if (const auto error = refuse_unknown(body, {"tokens"})) return *error;
  const Value* tokens = body.find("tokens");
  if (!tokens || !tokens->is_array()) return RequestError{"tokens is not a list.", "tokens"};
  const text::Tokenizer& tokenizer = model.text->tokenizer();
  std::vector<int32_t> ids;
  for (const Value& token : tokens->array()) {
    if (!token.is_integer() || token.integer() < 0 || token.integer() >= tokenizer.vocab_size())
      return RequestError{fmt::format("tokens[{}] is no token: whole numbers below {} are.", ids.size(),
                                      tokenizer.vocab_size()),
                          "tokens"};
    ids.push_back(static_cast<int32_t>(token.integer()));
  }
  Table table;
  table.set("content", tokenizer.decode(ids));
  return json_reply(std::move(table));
}

}  // namespace varve::http

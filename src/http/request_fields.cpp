#include "http/request_fields.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "core/json.h"

namespace varve::http {

namespace {

constexpr auto kStructuredFields = std::to_array<Field>({
    {.name = "json", .kinds = kTable | kText, .apply = apply_json_schema},
    {.name = "regex", .kinds = kText, .apply = apply_regex},
    {.name = "choice", .kinds = kList, .apply = apply_choice},
    {.name = "grammar", .kinds = kText, .apply = apply_grammar},
    {.name = "json_object", .kinds = kBoolean},
});

Result<std::string> schema_text(const Value& value, std::string_view name) {
  if (value.is_table()) return json::dump(value);
  const Result<Value> parsed = json::parse(value.text());
  if (!parsed) return RequestError{fmt::format("{}: {}", name, parsed.error().message), std::string(name)};
  if (!parsed.value().is_table() && !parsed.value().is_boolean())
    return wrong(name, "a JSON schema", shown(parsed.value()));
  return value.text();
}

}  // namespace

Applied apply_top_k(const Value& value, const Field& /*field*/, engine::Request& request) {
  request.sampling.top_k = static_cast<int32_t>(std::max<int64_t>(whole(value), 0));
  return std::nullopt;
}

Applied apply_seed(const Value& value, const Field& /*field*/, engine::Request& request) {
  const int64_t seed = whole(value);
  if (seed == -1)
    request.sampling.seed.reset();
  else
    request.sampling.seed = static_cast<uint64_t>(seed);
  return std::nullopt;
}

Applied apply_choices(const Value& value, const Field& /*field*/, engine::Request& request) {
  request.choices = static_cast<int32_t>(whole(value));
  return std::nullopt;
}

Applied apply_max_tokens(const Value& value, const Field& field, engine::Request& request) {
  const int64_t most = whole(value);
  if (most == 0) return wrong(field.name, "at least 1, or -1 for what fits", "0");
  if (most < 0)
    request.limits.max_tokens.reset();
  else
    request.limits.max_tokens = most;
  return std::nullopt;
}

Applied apply_stop(const Value& value, const Field& field, engine::Request& request) {
  Result<std::vector<std::string>> stops = texts(value, field.name);
  if (!stops) return stops.error();
  if (stops.value().size() > engine::kMaxStops)
    return wrong(field.name, fmt::format("at most {} texts", engine::kMaxStops),
                 fmt::format("a list of {}", stops.value().size()));
  for (const std::string& stop : stops.value())
    if (stop.empty() || stop.size() > engine::kMaxStopBytes)
      return wrong(field.name, fmt::format("texts of 1 to {} bytes", engine::kMaxStopBytes),
                   fmt::format("one of {}", stop.size()));
  request.limits.stop = std::move(stops.value());
  return std::nullopt;
}

Applied apply_stop_ids(const Value& value, const Field& field, engine::Request& request) {
  constexpr size_t kMaxStopIds = 64;
  if (value.array().size() > kMaxStopIds)
    return wrong(field.name, fmt::format("at most {} ids", kMaxStopIds),
                 fmt::format("a list of {}", value.array().size()));
  for (const Value& id : value.array()) {
    if (!id.is_integer() || id.integer() < 0 || id.integer() > std::numeric_limits<int32_t>::max())
      return wrong(field.name, "a list of token ids", "one with " + shown(id));
    request.limits.stop_ids.push_back(static_cast<int32_t>(id.integer()));
  }
  return std::nullopt;
}

Applied apply_ignore_eos(const Value& value, const Field& /*field*/, engine::Request& request) {
  request.limits.ignore_eos = value.boolean();
  return std::nullopt;
}

Applied apply_logit_bias(const Value& value, const Field& field, engine::Request& request) {
  const Table& biases = value.table();
  if (biases.size() > engine::kMaxLogitBias)
    return wrong(field.name, fmt::format("at most {} entries", engine::kMaxLogitBias),
                 fmt::format("{}", biases.size()));
  for (const auto& [key, bias] : biases) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < 0)
      return wrong(field.name, "an object whose members are token ids", "one with " + shown(Value(key)));
    if (!bias.is_number() || !(std::abs(bias.number()) <= engine::kMostLogitBias))
      return wrong(fmt::format("{}.{}", field.name, key),
                   fmt::format("a number from {} to {}", -engine::kMostLogitBias, engine::kMostLogitBias),
                   shown(bias));
    request.sampling.logit_bias.push_back({.id = id, .bias = static_cast<float>(bias.number())});
  }
  return std::nullopt;
}

Applied apply_cache_salt(const Value& value, const Field& field, engine::Request& request) {
  if (value.text().empty() || value.text().size() > kMaxCacheSalt)
    return wrong(field.name, fmt::format("a text of 1 to {} bytes", kMaxCacheSalt),
                 fmt::format("one of {}", value.text().size()));
  request.cache.name_space = value.text();
  return std::nullopt;
}

Applied apply_parallel_tools(const Value& value, const Field& /*field*/, engine::Request& request) {
  request.form.parallel_tools = value.boolean();
  return std::nullopt;
}

Applied set_grammar(engine::Request& request, engine::Grammar grammar, std::string_view field) {
  if (request.form.grammar)
    return RequestError{fmt::format("{} is a second constraint of one answer. Send one.", field),
                        std::string(field)};
  // Here already: a request may have many prompts, each with the grammar.
  if (grammar.text.size() > engine::kMaxGrammarBytes)
    return wrong(field, fmt::format("at most {} bytes", engine::kMaxGrammarBytes),
                 fmt::format("{}", grammar.text.size()));
  request.form.grammar = std::move(grammar);
  return std::nullopt;
}

Applied apply_json_schema(const Value& value, const Field& field, engine::Request& request) {
  Result<std::string> schema = schema_text(value, field.name);
  if (!schema) return schema.error();
  return set_grammar(request, {.kind = text::GrammarKind::json_schema, .text = std::move(schema.value())},
                     field.name);
}

Applied apply_regex(const Value& value, const Field& field, engine::Request& request) {
  return set_grammar(request, {.kind = text::GrammarKind::regex, .text = value.text()}, field.name);
}

std::string choice_regex(const std::vector<std::string>& choices) {
  constexpr std::string_view kSpecial = R"(\.+*?()|[]{}^$)";
  std::string out;
  for (const std::string& choice : choices) {
    out += out.empty() ? "(?:" : "|";
    for (const char c : choice) {
      if (kSpecial.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out + ")";
}

Applied apply_choice(const Value& value, const Field& field, engine::Request& request) {
  Result<std::vector<std::string>> choices = texts(value, field.name);
  if (!choices) return choices.error();
  if (choices.value().empty() || choices.value().size() > kMaxChoiceTexts)
    return wrong(field.name, fmt::format("a list of 1 to {} texts", kMaxChoiceTexts),
                 fmt::format("one of {}", choices.value().size()));
  for (const std::string& choice : choices.value())
    if (choice.empty()) return wrong(field.name, "a list of texts that are not empty", "one with \"\"");
  return set_grammar(request, {.kind = text::GrammarKind::regex, .text = choice_regex(choices.value())},
                     field.name);
}

Applied apply_grammar(const Value& value, const Field& field, engine::Request& request) {
  if (value.text().find("::=") != std::string::npos)
    return RequestError{
        fmt::format("{} is a grammar in GBNF (it has \"::=\"). Grammars are read in Lark's notation, "
                    "such as start: \"yes\" | \"no\".",
                    field.name),
        std::string(field.name)};
  return set_grammar(request, {.kind = text::GrammarKind::lark, .text = value.text()}, field.name);
}

Applied apply_structured_outputs(const Value& value, const Field& field, engine::Request& request) {
  const std::span<const Field> lists[] = {kStructuredFields};
  if (auto error = check_fields(value.table(), lists, fmt::format("{}.", field.name))) return error;
  if (auto error = apply_fields(value.table(), lists, request)) return error;
  if (flag(value.table(), "json_object").value_or(false))
    return set_grammar(request, {.kind = text::GrammarKind::json_object, .text = {}}, field.name);
  return std::nullopt;
}

Applied apply_metadata(const Value& value, const Field& field, engine::Request& /*request*/) {
  const Table& pairs = value.table();
  if (pairs.size() > kMaxMetadata)
    return wrong(field.name, fmt::format("at most {} pairs", kMaxMetadata), fmt::format("{}", pairs.size()));
  for (const auto& [key, text] : pairs) {
    if (key.size() > kMaxMetadataKey)
      return wrong(field.name, fmt::format("pairs with keys of at most {} bytes", kMaxMetadataKey),
                   fmt::format("one of {}", key.size()));
    if (text.is_null()) continue;
    if (!text.is_text() || text.text().size() > kMaxMetadataText)
      return wrong(fmt::format("{}.{}", field.name, key),
                   fmt::format("a text of at most {} bytes", kMaxMetadataText),
                   text.is_text() ? fmt::format("one of {}", text.text().size()) : shown(text));
  }
  return std::nullopt;
}

}  // namespace varve::http

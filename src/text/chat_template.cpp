#include "text/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "core/json.h"
#include "text/textkit_call.h"
#include "text/tokenizer.h"

namespace varve::text {

RenderClock RenderClock::now() {
  if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH")) {
    int64_t seconds = 0;
    const char* end = fixed + std::strlen(fixed);
    const auto parsed = std::from_chars(fixed, end, seconds);
    // Beyond the year 9999 no format has room for it.
    if (parsed.ec == std::errc() && parsed.ptr == end && seconds >= 0 && seconds < 253'402'300'800) {
      return {.epoch_seconds = seconds, .utc_offset_seconds = 0};
    }
  }
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  localtime_r(&seconds, &local);
  return {.epoch_seconds = seconds, .utc_offset_seconds = static_cast<int32_t>(local.tm_gmtoff)};
}

void ChatTemplate::Free::operator()(tk_template* chat_template) const { tk_template_free(chat_template); }

ChatTemplate ChatTemplate::compile(std::string_view source, const std::string& origin) {
  tk_template* handle = nullptr;
  Bytes error;
  require(tk_template_compile(borrow(source), &handle, error.out()), error, origin,
          "pass raw text, or give another template");
  return ChatTemplate(handle);
}

Result<std::string> ChatTemplate::render(const Table& context, RenderClock clock) const {
  const std::string json = json::dump(Value(context));
  Bytes out;
  Bytes error;
  if (tk_template_render(handle_.get(), borrow(json), clock.epoch_seconds, clock.utc_offset_seconds,
                         out.out(), error.out()) != TK_OK) {
    return refused(error, "messages");
  }
  return out.str();
}

namespace {

// Names as well as values: a tool's parameter may be called anything.
Value shielded(const Value& value, const Tokenizer& tokenizer) {
  switch (value.kind()) {
    case Value::Kind::text:
      return Value(tokenizer.shield(value.text()));
    case Value::Kind::array: {
      Array items;
      items.reserve(value.array().size());
      for (const Value& item : value.array()) items.push_back(shielded(item, tokenizer));
      return Value(std::move(items));
    }
    case Value::Kind::table: {
      Table members;
      for (const auto& [key, member] : value.table()) {
        members.set(tokenizer.shield(key), shielded(member, tokenizer));
      }
      return Value(std::move(members));
    }
    default:
      return value;
  }
}

// Transformers always passes tools and documents, as None where there are none.
Table with_conversation(Table context, const ChatInput& input) {
  context.set("messages", Value(input.messages));
  context.set("tools", input.tools);
  context.set("documents", input.documents);
  context.set("add_generation_prompt", Value(input.add_generation_prompt));
  return context;
}

}  // namespace

ChatTemplates ChatTemplates::load(const TextAssets& assets) {
  ChatTemplates set;
  set.special_tokens_ = assets.special_tokens;
  set.origin_ = assets.origin;
  for (const auto& [name, source] : assets.chat_templates) {
    const std::string where = fmt::format("{}: chat template \"{}\"", assets.origin, name);
    set.templates_.emplace(name, ChatTemplate::compile(source, where));
    set.sources_.emplace(name, source);
  }
  return set;
}

std::vector<std::string> ChatTemplates::names() const {
  std::vector<std::string> names;
  for (const auto& [name, compiled] : templates_) names.push_back(name);
  return names;
}

std::string ChatTemplates::choose(const ChatInput& input) const {
  if (!input.template_name.empty()) return input.template_name;
  std::string name = !input.tools.is_null() && templates_.contains("tool_use") ? "tool_use" : "default";
  // A checkpoint whose only template has another name means that one.
  return templates_.size() == 1 ? templates_.begin()->first : name;
}

std::string_view ChatTemplates::source(const ChatInput& input) const {
  const auto found = sources_.find(choose(input));
  return found == sources_.end() ? std::string_view() : found->second;
}

Result<std::string> ChatTemplates::render_with(const ChatInput& input, Table context,
                                               RenderClock clock) const {
  if (templates_.empty()) {
    return RequestError{"this model has no chat template: give the prompt as raw text, or a template",
                        "messages"};
  }
  const std::string name = choose(input);
  const auto found = templates_.find(name);
  if (found == templates_.end()) {
    return RequestError{
        fmt::format("this model has no chat template \"{}\"; it has: {}", name, fmt::join(names(), ", ")),
        "chat_template"};
  }
  Table variables;
  for (const auto& [token, spelling] : special_tokens_) variables.set(token, Value(spelling));
  for (const auto& [key, value] : context) variables.set(key, value);
  return found->second.render(variables, clock);
}

Result<std::string> ChatTemplates::render(const ChatInput& input, RenderClock clock) const {
  return render_with(input, with_conversation(input.extra, input), clock);
}

Result<std::vector<int32_t>> ChatTemplates::encode(const ChatInput& input, const Tokenizer& tokenizer,
                                                   RenderClock clock) const {
  const Table plain = with_conversation(input.extra, input);
  Table context;
  for (const auto& [key, value] : plain) context.set(key, shielded(value, tokenizer));
  const Result<std::string> text = render_with(input, std::move(context), clock);
  if (!text.ok()) return text.error();
  return tokenizer.encode_shielded(text.value());
}

}  // namespace varve::text

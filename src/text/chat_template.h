#pragma once
// Chat templates: a conversation as the text, and the ids, that a model was trained on. Rendering equals
// Transformers' (Jinja2, trim_blocks, lstrip_blocks); there is no I/O in a template, and steps, output and
// depth are limited.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/value.h"
#include "text/text_assets.h"

struct tk_template;

namespace varve::text {

class Tokenizer;

/// The time that strftime_now shows.
struct RenderClock {
  int64_t epoch_seconds = 0;
  int32_t utc_offset_seconds = 0;
  /// The local time; SOURCE_DATE_EPOCH in the environment fixes it, in UTC.
  static RenderClock now();
};

/// One compiled template. Any number of threads may render it.
class ChatTemplate {
 public:
  /// LoadError when the template does not parse; `origin` names its file.
  static ChatTemplate compile(std::string_view source, const std::string& origin);

  /// Renders with the members of `context` as variables and nothing else. A RequestError when the template
  /// refuses the conversation (its own words), fails, or exceeds a limit.
  Result<std::string> render(const Table& context, RenderClock clock = RenderClock::now()) const;

 private:
  struct Free {
    void operator()(tk_template* chat_template) const;
  };
  explicit ChatTemplate(tk_template* handle) : handle_(handle) {}
  std::unique_ptr<tk_template, Free> handle_;
};

/// A conversation as Transformers' apply_chat_template takes it.
struct ChatInput {
  Array messages;
  Value tools;      // a list, or null
  Value documents;  // a list, or null
  bool add_generation_prompt = true;
  /// Further variables (enable_thinking, ...). They win over the special tokens, not over the above.
  Table extra;
  /// A template's name; empty: "tool_use" where there are tools and such a template, else "default".
  std::string template_name;
};

/// The chat templates of one checkpoint.
class ChatTemplates {
 public:
  /// Compiles all. A checkpoint without any gives an empty set, whose render() refuses.
  static ChatTemplates load(const TextAssets& assets);
  bool empty() const { return templates_.empty(); }
  std::vector<std::string> names() const;
  /// The text of the template that render() would use; "" when there is none.
  std::string_view source(const ChatInput& input) const;

  /// The text. Strings of the input are taken as they are, so this is for showing; a model gets encode().
  Result<std::string> render(const ChatInput& input, RenderClock clock = RenderClock::now()) const;

  /// The ids. Control tokens come from the template alone: what messages, tools and documents say is plain
  /// text, whatever it spells.
  Result<std::vector<int32_t>> encode(const ChatInput& input, const Tokenizer& tokenizer,
                                      RenderClock clock = RenderClock::now()) const;

 private:
  /// The name of the template for the input; one that may not be there.
  std::string choose(const ChatInput& input) const;
  Result<std::string> render_with(const ChatInput& input, Table context, RenderClock clock) const;

  std::map<std::string, ChatTemplate> templates_;
  std::map<std::string, std::string> sources_;
  std::map<std::string, std::string> special_tokens_;
  std::string origin_;
};

}  // namespace varve::text

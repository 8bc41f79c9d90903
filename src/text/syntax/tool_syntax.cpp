#include "text/syntax/tool_syntax.h"

#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

struct MakeBlock {
  std::unique_ptr<Block> operator()(const JsonForm& form) const { return json_calls(form); }
  std::unique_ptr<Block> operator()(const NamedForm& form) const { return named_calls(form); }
  std::unique_ptr<Block> operator()(const TagForm& form) const { return tagged_calls(form); }
  std::unique_ptr<Block> operator()(const PythonForm& form) const { return python_calls(form); }
  std::unique_ptr<Block> operator()(const ChannelForm&) const { return nullptr; }
};

constexpr size_t kLookAhead = 256;

/// Whether JSON calls begin here: an object, or a list of objects.
Match begins_json(std::string_view text) {
  if (text.front() == '{') return Match::yes;
  if (text.front() != '[') return Match::no;
  const size_t next = skip_space(text.substr(0, kLookAhead), 1);
  if (next == text.size()) return Match::cut;
  if (next == kLookAhead) return Match::no;
  return text[next] == '{' ? Match::yes : Match::no;
}

}  // namespace

std::unique_ptr<Block> make_block(const ToolSyntax& syntax, std::string_view text, bool last,
                                  bool& undecided) {
  undecided = false;
  if (syntax.forms.size() == 1) return std::visit(MakeBlock{}, syntax.forms.front());
  const Match json = begins_json(text);
  if (json == Match::cut && !last) {
    undecided = true;
    return nullptr;
  }
  for (const Form& form : syntax.forms) {
    if (std::holds_alternative<JsonForm>(form) == (json == Match::yes)) return std::visit(MakeBlock{}, form);
  }
  return nullptr;
}

}  // namespace varve::text::syntax

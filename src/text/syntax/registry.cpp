#include "text/syntax/registry.h"

#include <algorithm>

#include "text/syntax/syntaxes.h"
#include "text/syntax/tagged_reader.h"

namespace varve::text::syntax {

namespace {

template <class Syntax>
const Syntax* find_named(const std::vector<Syntax>& list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Syntax& s) { return s.name == name; });
  return found == list.end() ? nullptr : &*found;
}

template <class Syntax>
RequestError unknown_name(const std::vector<Syntax>& list, std::string_view name, const std::string& what) {
  std::vector<std::string> names;
  std::string listed;
  for (const Syntax& syntax : list) {
    names.push_back(syntax.name);
    listed += (listed.empty() ? "" : ", ") + syntax.name;
  }
  const std::string near = nearest(name, names);
  return {.message = "there is no syntax of " + what + " called \"" + std::string(name) + "\"" +
                     (near.empty() ? "" : "; did you mean \"" + near + "\"?") + " There are: " + listed,
          .field = what};
}

}  // namespace

const std::vector<ToolSyntax>& tool_syntaxes() {
  static const std::vector<ToolSyntax> kSyntaxes = [] {
    std::vector<ToolSyntax> list;
#define VARVE_ADD(name) add_##name(list);
    VARVE_TOOL_SYNTAXES(VARVE_ADD)
#undef VARVE_ADD
    return list;
  }();
  return kSyntaxes;
}

std::vector<std::string> SyntaxChoice::shown_tokens() const {
  std::vector<std::string> shown = tools->shown;
  for (const auto* markers :
       {&reasoning->open, &reasoning->close, &reasoning->answer_open, &reasoning->answer_close}) {
    shown.insert(shown.end(), markers->begin(), markers->end());
  }
  return shown;
}

Result<SyntaxChoice> override_syntax(SyntaxChoice choice, std::string_view tools,
                                     std::string_view reasoning) {
  if (!tools.empty()) {
    choice.tools = find_named(tool_syntaxes(), tools);
    if (!choice.tools) return unknown_name(tool_syntaxes(), tools, "tools");
  }
  if (!reasoning.empty()) {
    choice.reasoning = find_named(reasoning_syntaxes(), reasoning);
    if (!choice.reasoning) return unknown_name(reasoning_syntaxes(), reasoning, "reasoning");
  }
  return choice;
}

std::unique_ptr<AnswerReader> make_reader(const SyntaxChoice& choice, const ReadOptions& options) {
  if (std::holds_alternative<ChannelForm>(choice.tools->forms.front())) return channel_reader(options);
  return std::make_unique<TaggedReader>(choice, options);
}

}  // namespace varve::text::syntax

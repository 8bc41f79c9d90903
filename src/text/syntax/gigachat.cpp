#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_gigachat(std::vector<ToolSyntax>& list) {
  const auto add = [&](const std::string& name, const std::string& about, const std::string& opener,
                       const std::vector<std::string>& shown, std::vector<std::vector<std::string>> signs) {
    list.push_back({.name = name,
                    .about = about,
                    .openers = {{.text = opener}},
                    .forms = {JsonForm{.opening = opener, .between = "\n"}},
                    .shown = shown,
                    .signs = std::move(signs)});
  };
  add("gigachat_3_1", "GigaChat 3.1: <|function_call|> and a JSON object", "<|function_call|>",
      {"<|function_call|>"}, {{"<|function_call|>"}});
  add("gigachat", "GigaChat 3: a message of the role function call",
      "<|message_sep|>\n\nfunction call<|role_sep|>\n", {"<|message_sep|>", "<|role_sep|>"},
      {{"function call", "<|role_sep|>"}});
}

}  // namespace varve::text::syntax

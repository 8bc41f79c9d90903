// Which syntax a model writes: what its chat template spells, then what its vocabulary has tokens for.
#include <algorithm>

#include "text/syntax/match.h"
#include "text/syntax/registry.h"

namespace varve::text::syntax {

namespace {

constexpr std::string_view kGeneric = "json";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool has_sign(const ToolSyntax& syntax, std::string_view chat_template) {
  return std::any_of(syntax.signs.begin(), syntax.signs.end(), [&](const std::vector<std::string>& all) {
    return std::all_of(all.begin(), all.end(),
                       [&](const std::string& sign) { return contains(chat_template, sign); });
  });
}

bool has_token(std::span<const AddedToken> vocabulary, std::string_view text) {
  return !text.empty() && std::any_of(vocabulary.begin(), vocabulary.end(),
                                      [&](const AddedToken& token) { return token.content == text; });
}

const ToolSyntax* detect_tools(std::string_view chat_template, std::span<const AddedToken> vocabulary) {
  const std::vector<ToolSyntax>& all = tool_syntaxes();
  const ToolSyntax* generic = nullptr;
  for (const ToolSyntax& syntax : all) {
    if (!has_sign(syntax, chat_template)) continue;
    if (syntax.name != kGeneric) return &syntax;
    generic = &syntax;
  }
  for (const ToolSyntax& syntax : all) {
    if (has_token(vocabulary, syntax.token)) return &syntax;
  }
  return generic ? generic : &all.back();
}

const ReasoningSyntax* detect_reasoning(std::string_view chat_template,
                                        std::span<const AddedToken> vocabulary) {
  const std::vector<ReasoningSyntax>& all = reasoning_syntaxes();
  for (const ReasoningSyntax& syntax : all) {
    for (const std::string& sign : syntax.signs) {
      if (contains(chat_template, sign)) return &syntax;
    }
  }
  for (const ReasoningSyntax& syntax : all) {
    if (syntax.open.empty()) continue;
    if (has_token(vocabulary, syntax.open.front()) && has_token(vocabulary, syntax.close.front()))
      return &syntax;
  }
  return &all.back();
}

/// White space, also as a template spells it in its strings.
size_t skip_spelled_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (is_space(text[at])) {
      ++at;
    } else if (text.substr(at, 2) == "\\n") {
      at += 2;
    } else {
      break;
    }
  }
  return at;
}

/// Where the template ends the prompt, a thought is begun and not ended at once.
bool opens_thoughts(const ReasoningSyntax& syntax, std::string_view chat_template) {
  const size_t begin = chat_template.rfind("add_generation_prompt");
  if (begin == std::string_view::npos) return false;
  const std::string_view prompt = chat_template.substr(begin);
  for (const std::string& open : syntax.open) {
    for (size_t at = prompt.find(open); at != std::string_view::npos; at = prompt.find(open, at + 1)) {
      const std::string_view behind = prompt.substr(skip_spelled_space(prompt, at + open.size()));
      const bool ended = std::any_of(syntax.close.begin(), syntax.close.end(), [&](const std::string& close) {
        return match(behind, close) == Match::yes;
      });
      if (!ended) return true;
    }
  }
  return false;
}

}  // namespace

SyntaxChoice detect(std::string_view chat_template, std::span<const AddedToken> vocabulary) {
  SyntaxChoice choice;
  choice.tools = detect_tools(chat_template, vocabulary);
  choice.reasoning = detect_reasoning(chat_template, vocabulary);
  choice.reasoning_open_in_prompt = opens_thoughts(*choice.reasoning, chat_template);
  return choice;
}

}  // namespace varve::text::syntax

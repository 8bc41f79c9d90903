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
    const bool marks = syntax.answer_open.empty() || has_token(vocabulary, syntax.answer_open.front());
    const bool has =
        has_token(vocabulary, syntax.open.front()) && has_token(vocabulary, syntax.close.front());
    if (has && marks) return &syntax;
  }
  return &all.back();
}

/// The value of the variable that is set to a text holding `marker`, and its name: `set start = '<think>'`.
struct Alias {
  std::string_view name;
  std::string_view value;
};

std::vector<Alias> aliases(std::string_view chat_template, const std::vector<std::string>& markers) {
  std::vector<Alias> found;
  for (const std::string& marker : markers) {
    const size_t at = chat_template.find(marker);
    const size_t line = at == std::string_view::npos ? at : chat_template.rfind('\n', at) + 1;
    if (line == std::string_view::npos) continue;
    std::string_view head = chat_template.substr(line, at - line);
    const size_t set = head.find("set ");
    const size_t equals = head.find('=');
    if (set == std::string_view::npos || equals == std::string_view::npos || equals < set) continue;
    const std::string_view name = trim(head.substr(set + 4, equals - set - 4));
    if (!name.empty() && name.find(' ') == std::string_view::npos)
      found.push_back({.name = name, .value = marker});
  }
  return found;
}

std::string with_values(std::string_view text, const std::vector<Alias>& known) {
  std::string out(text);
  for (const Alias& alias : known) {
    for (size_t at = out.find(alias.name); at != std::string::npos;
         at = out.find(alias.name, at + alias.value.size())) {
      out.replace(at, alias.name.size(), alias.value);
    }
  }
  return out;
}

/// What may stand in a template between two texts that meet: white space, also spelled as \n, quotes, plus
/// signs.
size_t skip_seam(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (text.substr(at, 2) == "\\n") {
      at += 2;
    } else if (is_space(text[at]) || std::string_view("'\"+~{}-").find(text[at]) != std::string_view::npos) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

/// What follows a marker that opens a thought ends it, in the same expression of the template or right
/// behind.
bool closes(const ReasoningSyntax& syntax, std::string_view behind) {
  const size_t seam = skip_seam(behind, 0);
  const size_t expression = std::min({behind.find("}}"), behind.find("{{"), behind.find("{%")});
  return std::any_of(syntax.close.begin(), syntax.close.end(), [&](const std::string& close) {
    const size_t at = behind.find(close);
    return at != std::string_view::npos && (at <= seam || at < expression);
  });
}

/// Where the template ends the prompt, a thought is begun and not ended at once.
bool opens_thoughts(const ReasoningSyntax& syntax, std::string_view chat_template) {
  const size_t begin = chat_template.rfind("add_generation_prompt");
  if (begin == std::string_view::npos) return false;
  std::vector<Alias> known = aliases(chat_template, syntax.open);
  for (const Alias& alias : aliases(chat_template, syntax.close)) known.push_back(alias);
  const std::string end = with_values(chat_template.substr(begin), known);
  const std::string_view prompt = end;
  for (const std::string& open : syntax.open) {
    for (size_t at = prompt.find(open); at != std::string_view::npos; at = prompt.find(open, at + 1)) {
      if (!closes(syntax, prompt.substr(at + open.size()))) return true;
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

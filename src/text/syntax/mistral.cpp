#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_mistral(std::vector<ToolSyntax>& list) {
  using Kind = Element::Kind;
  JsonForm json = {
      .list = true, .opening = "[TOOL_CALLS][", .space_behind_marker = true, .between = ", ", .closing = "]"};
  const auto named = [](bool with_id) {
    const std::string mark = with_id ? "[CALL_ID]" : "";
    return NamedForm{.elements = {{.kind = Kind::name, .texts = {"[CALL_ID]", "[ARGS]", "{"}},
                                  {.kind = Kind::may, .texts = {"[CALL_ID]"}, .written = mark},
                                  {.kind = Kind::id, .texts = {"[ARGS]", "{"}},
                                  {.kind = Kind::may, .texts = {"[ARGS]"}, .written = "[ARGS]"},
                                  {.kind = Kind::arguments}},
                     .opening = "[TOOL_CALLS]"};
  };
  const auto add = [&](const std::string& name, const std::string& about, std::vector<Form> forms,
                       std::vector<std::vector<std::string>> signs, const std::string& token) {
    list.push_back({.name = name,
                    .about = about,
                    .openers = {{.text = "[TOOL_CALLS]"}},
                    .forms = std::move(forms),
                    .shown = {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"},
                    .ends_thought = true,
                    .signs = std::move(signs),
                    .token = token});
  };
  add("mistral_call_id", "Mistral Small 3.2: [TOOL_CALLS]NAME[CALL_ID]ID[ARGS]{...}", {named(true), json},
      {{"[TOOL_CALLS]", "[CALL_ID]"}}, "[CALL_ID]");
  add("mistral_args", "Mistral since Devstral: [TOOL_CALLS]NAME[ARGS]{...}", {named(false), json},
      {{"[TOOL_CALLS]", "[ARGS]"}}, "[ARGS]");
  add("mistral", "Mistral before: [TOOL_CALLS] and a JSON list", {json, named(false)}, {{"[TOOL_CALLS]"}},
      "[TOOL_CALLS]");
}

}  // namespace varve::text::syntax

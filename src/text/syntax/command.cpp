#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_command(std::vector<ToolSyntax>& list) {
  JsonForm actions = {.close = {"<|END_ACTION|>"},
                      .name_key = "tool_name",
                      .arguments_key = "parameters",
                      .id_key = "tool_call_id",
                      .list = true,
                      .opening = "<|START_ACTION|>[\n    ",
                      .between = ",\n    ",
                      .closing = "\n]<|END_ACTION|>"};
  list.push_back({.name = "command",
                  .about = "Command R7B and A: a JSON list between <|START_ACTION|> and <|END_ACTION|>",
                  .openers = {{.text = "<|START_ACTION|>"}},
                  .forms = {actions},
                  .shown = {"<|START_ACTION|>", "<|END_ACTION|>"},
                  .ends_thought = true,
                  .signs = {{"<|START_ACTION|>"}},
                  .token = "<|START_ACTION|>"});
  JsonForm fence = {.before = {"```json"},
                    .close = {"```"},
                    .name_key = "tool_name",
                    .arguments_key = "parameters",
                    .list = true,
                    .opening = "Action:\n```json\n[\n    ",
                    .between = ",\n    ",
                    .closing = "\n]```"};
  list.push_back({.name = "command_r",
                  .about = "Command R and R+: Action: and a JSON list in a fence",
                  .openers = {{.text = "Action:", .at_line_start = true}},
                  .forms = {fence},
                  .signs = {{"Action:", "directly_answer"}, {"Action:", "tool_name"}}});
}

}  // namespace varve::text::syntax

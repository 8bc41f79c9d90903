#include "text/syntax/reasoning.h"

#include <algorithm>

#include "text/syntax/match.h"

namespace varve::text::syntax {

const std::vector<ReasoningSyntax>& reasoning_syntaxes() {
  static const std::vector<ReasoningSyntax> kSyntaxes = {
      {.name = "harmony",
       .about = "the channel analysis; read together with the tools of the same name",
       .signs = {"<|channel|>analysis"}},
      {.name = "gemma_channel",
       .about = "<|channel>thought ... <channel|>",
       .open = {"<|channel>thought"},
       .close = {"<channel|>"},
       .anywhere = true,
       .signs = {"<|channel>thought"}},
      {.name = "granite",
       .about = "<think> ... </think><response> ... </response>",
       .open = {"<think>", "Here is my thought process:"},
       .close = {"</think>", "Here is my response:"},
       .answer_open = {"<response>"},
       .answer_close = {"</response>"},
       .signs = {"<response>", "Here is my thought process:"}},
      {.name = "command",
       .about = "<|START_THINKING|> ... <|END_THINKING|>, the answer in markers of its own",
       .open = {"<|START_THINKING|>"},
       .close = {"<|END_THINKING|>"},
       .answer_open = {"<|START_RESPONSE|>", "<|START_TEXT|>"},
       .answer_close = {"<|END_RESPONSE|>", "<|END_TEXT|>"},
       .anywhere = true,
       .signs = {"<|START_THINKING|>"}},
      {.name = "apertus",
       .about = "<|inner_prefix|> ... <|inner_suffix|>",
       .open = {"<|inner_prefix|>"},
       .close = {"<|inner_suffix|>"},
       .anywhere = true,
       .signs = {"<|inner_prefix|>"}},
      {.name = "apriel",
       .about = "Here are my reasoning steps: ... [BEGIN FINAL RESPONSE] ... [END FINAL RESPONSE]",
       .open = {"Here are my reasoning steps:"},
       .close = {"[BEGIN FINAL RESPONSE]"},
       .answer_close = {"[END FINAL RESPONSE]"},
       .signs = {"[BEGIN FINAL RESPONSE]"}},
      {.name = "mistral",
       .about = "[THINK] ... [/THINK]",
       .open = {"[THINK]"},
       .close = {"[/THINK]"},
       .anywhere = true,
       .signs = {"[THINK]"}},
      {.name = "seed",
       .about = "<seed:think> ... </seed:think>",
       .open = {"<seed:think>"},
       .close = {"</seed:think>"},
       .signs = {"<seed:think>", "seed:think"}},
      {.name = "exaone",
       .about = "<thought> ... </thought>",
       .open = {"<thought>"},
       .close = {"</thought>"},
       .signs = {"<thought>"}},
      {.name = "think",
       .about = "<think> ... </think>",
       .open = {"<think>"},
       .close = {"</think>"},
       .signs = {"<think>", "</think>"}},
      {.name = "none", .about = "no thoughts"},
  };
  return kSyntaxes;
}

bool opens_thought(const ReasoningSyntax& syntax, std::string_view prompt) {
  while (!prompt.empty() && is_space(prompt.back())) prompt.remove_suffix(1);
  return std::any_of(syntax.open.begin(), syntax.open.end(), [&](const std::string& open) {
    return prompt.size() >= open.size() && prompt.substr(prompt.size() - open.size()) == open;
  });
}

}  // namespace varve::text::syntax

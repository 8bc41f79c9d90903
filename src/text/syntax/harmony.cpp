#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_harmony(std::vector<ToolSyntax>& list) {
  list.push_back({.name = "harmony",
                  .about = "gpt-oss: messages in the channels analysis, commentary and final",
                  .forms = {ChannelForm{}},
                  .shown = {"<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>",
                            "<|return|>"},
                  .signs = {{"<|channel|>", "<|message|>"}},
                  .token = "<|channel|>"});
}

}  // namespace varve::text::syntax

#include "commands.h"

namespace varve::app {

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make : {make_run, make_serve, make_config, make_pull, make_list, make_rm, make_inspect,
                          make_convert, make_verify, make_families, make_bench, make_logits, make_eval,
                          make_tokenize, make_detokenize, make_template, make_completion, make_version})
    commands.push_back(make());
  return commands;
}

}  // namespace varve::app

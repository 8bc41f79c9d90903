#pragma once
// One maker per command; each is in the file of its name.
#include <memory>

#include "cli.h"

namespace varve::app {

std::unique_ptr<Command> make_run();
std::unique_ptr<Command> make_serve();
std::unique_ptr<Command> make_config();
std::unique_ptr<Command> make_pull();
std::unique_ptr<Command> make_list();
std::unique_ptr<Command> make_rm();
std::unique_ptr<Command> make_inspect();
std::unique_ptr<Command> make_convert();
std::unique_ptr<Command> make_verify();
std::unique_ptr<Command> make_families();
std::unique_ptr<Command> make_bench();
std::unique_ptr<Command> make_logits();
std::unique_ptr<Command> make_tokenize();
std::unique_ptr<Command> make_detokenize();
std::unique_ptr<Command> make_template();
std::unique_ptr<Command> make_eval();
std::unique_ptr<Command> make_completion();
std::unique_ptr<Command> make_version();

}  // namespace varve::app

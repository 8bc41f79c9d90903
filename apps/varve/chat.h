#pragma once
// The conversation of `varve run` on a terminal: history, /commands, Ctrl-C stops the answer.
#include <functional>
#include <string>

#include "engine/request.h"
#include "runtime/loaded_model.h"

namespace varve::app {

struct ChatSettings {
  std::string system;  // "": none
  /// A model without a chat template: every message is a text to be continued, without history.
  bool plain = false;
  bool quiet = false;  // no figures after each answer
  engine::Sampling sampling;
  engine::Limits limits;
};

/// Reads from the terminal until /exit, Ctrl-D or Ctrl-C twice. The exit code.
int chat(runtime::LoadedModel& model, const ChatSettings& settings);

}  // namespace varve::app

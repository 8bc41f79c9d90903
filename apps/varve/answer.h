#pragma once
// One request through the engine, watched: text as it comes, Ctrl-C, and the figures at the end.
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "interrupt.h"
#include "runtime/loaded_model.h"

namespace varve::app {

struct Answer {
  std::string text;
  std::vector<int32_t> ids;  // stop token included
  engine::FinishEvent finish;
};

/// Runs `request` to its end. `on_text` gets each piece as it comes (it may be empty). Ctrl-C cancels the
/// request, and the answer is what came until then. A refused request is the result's error.
Result<Answer> run_request(runtime::LoadedModel& model, engine::Request request,
                           const InterruptScope& interrupts,
                           const std::function<void(const std::string&)>& on_text);

/// Tokens per second, as people and scripts are told them.
struct Rates {
  double prompt_tokens_per_second = 0;  // of the tokens that were computed, not those from the cache
  double decode_tokens_per_second = 0;  // after the first token
  double first_token_seconds = 0;
};
Rates rates_of(const engine::FinishEvent& finish);

/// "prompt 12 tokens, 345.6 tokens/s; answer 40 tokens, 52.1 tokens/s; first token after 0.05 s".
std::string figures_text(const engine::FinishEvent& finish);

/// The object of `varve run --json`.
Value answer_value(const Answer& answer, double load_seconds);

/// Standard output, at once; control characters that could drive a terminal are left out there.
void print_now(const std::string& text);

}  // namespace varve::app

#include "answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "terminal.h"

namespace varve::app {

Result<Answer> run_request(runtime::LoadedModel& model, engine::Request request,
                           const InterruptScope& interrupts,
                           const std::function<void(const std::string&)>& on_text) {
  Answer answer;
  std::optional<RequestError> failed;
  const auto sink = [&](engine::Event event) {
    if (const auto* piece = std::get_if<engine::AnswerEvent>(&event)) {
      for (const engine::SampledToken& token : piece->tokens) answer.ids.push_back(token.id);
      const std::string text = engine::said(*piece);
      answer.text += text;
      on_text(text);
    } else if (auto* finish = std::get_if<engine::FinishEvent>(&event)) {
      answer.finish = std::move(*finish);
    } else if (auto* error = std::get_if<engine::ErrorEvent>(&event)) {
      failed = std::move(error->error);
    }
  };
  const auto id = model.engine().submit(std::move(request), sink);
  if (!id) return id.error();
  bool cancelled = false;
  while (model.engine().run_step()) {
    if (!cancelled && interrupts.pending()) cancelled = model.engine().cancel(id.value());
  }
  if (failed) return *failed;
  return answer;
}

Rates rates_of(const engine::FinishEvent& finish) {
  const auto rate = [](int64_t tokens, double seconds) {
    return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  const engine::Usage& usage = finish.usage;
  if (usage.completion_tokens == 0) return {};  // the prompt was not done
  return {.prompt_tokens_per_second = rate(usage.prompt_tokens - usage.cached_tokens, finish.timings.prompt),
          .decode_tokens_per_second = rate(usage.completion_tokens - 1, finish.timings.decode),
          .first_token_seconds = finish.timings.queued + finish.timings.prompt};
}

std::string figures_text(const engine::FinishEvent& finish) {
  const engine::Usage& usage = finish.usage;
  const Rates rates = rates_of(finish);
  std::string text = fmt::format("prompt {} tokens", usage.prompt_tokens);
  if (usage.cached_tokens > 0) text += fmt::format(" ({} cached)", usage.cached_tokens);
  if (usage.completion_tokens == 0) return text + ", stopped before an answer";
  text += fmt::format(", {:.1f} tokens/s; answer {} tokens", rates.prompt_tokens_per_second,
                      usage.completion_tokens);
  if (rates.decode_tokens_per_second > 0)
    text += fmt::format(", {:.1f} tokens/s", rates.decode_tokens_per_second);
  return text + fmt::format("; first token after {:.2f} s", rates.first_token_seconds);
}

Value answer_value(const Answer& answer, double load_seconds) {
  const engine::Usage& count = answer.finish.usage;
  Table usage;
  usage.set("prompt_tokens", count.prompt_tokens);
  usage.set("cached_tokens", count.cached_tokens);
  usage.set("completion_tokens", count.completion_tokens);
  usage.set("total_tokens", count.prompt_tokens + count.completion_tokens);
  const Rates rates = rates_of(answer.finish);
  Table timings;
  timings.set("load_seconds", load_seconds);
  timings.set("first_token_seconds", rates.first_token_seconds);
  timings.set("prompt_seconds", answer.finish.timings.prompt);
  timings.set("decode_seconds", answer.finish.timings.decode);
  timings.set("prompt_tokens_per_second", rates.prompt_tokens_per_second);
  timings.set("decode_tokens_per_second", rates.decode_tokens_per_second);
  Table facts;
  facts.set("text", answer.text);
  facts.set("ids", Array(answer.ids.begin(), answer.ids.end()));
  facts.set("finish_reason", engine::name(answer.finish.reason));
  facts.set("usage", std::move(usage));
  facts.set("timings", std::move(timings));
  facts.set("seed", answer.finish.seed);
  return Value(std::move(facts));
}

void print_now(const std::string& text) {
  if (!output_is_terminal()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    const std::string shown = printable_lines(text);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
  }
  std::fflush(stdout);
}

}  // namespace varve::app

// varve run [MODEL]
#include <fmt/format.h>

#include <chrono>

#include "answer.h"
#include "chat.h"
#include "commands.h"
#include "core/json.h"
#include "load.h"
#include "sampling_options.h"
#include "terminal.h"
#include "words.h"

namespace varve::app {

namespace {

class Run : public Command {
 public:
  About about() const override {
    return {.name = "run",
            .summary = "Chat with a model, or have it answer once",
            .examples =
                "  varve run                                  chat with the default model\n"
                "  varve run --prompt \"Why is the sky blue?\"   one answer, then the figures\n"
                "  varve run path/to/model.gguf --prompt - < question.txt\n"
                "  varve run path/to/model --raw --prompt \"Once upon a time\" --max-tokens 50\n"
                "  varve run --prompt Hi --temperature 0.7 --seed 1 --json"};
  }
  void declare(Options& options) override {
    model_.declare(options, false);
    options.text({"--prompt", "TEXT", "Answer this once; - reads all of standard input"}, prompt_);
    options.text({"--system", "TEXT", "The system message"}, system_);
    options.flag("--raw", "Continue the text as it is, without the chat template", raw_);
    options.text({"--ids", "IDS", "Continue token ids 1,2,3"}, ids_);
    sampling_.declare(options);
    options.flag("--json", "Print one object: text, ids, finish_reason, usage, timings", json_);
    options.flag("--quiet", "No figures at the end", quiet_);
  }

  int run() override {
    check_usage();
    const std::optional<std::string> prompt = prompt_text();
    const bool once = ids_ || prompt;
    const std::vector<int32_t> ids = ids_ ? read_ids(*ids_) : std::vector<int32_t>();

    const auto begin = std::chrono::steady_clock::now();
    const auto model = load_model(model_);
    load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!ids_) model->text();  // says what is missing
    if (ids_ && !model->has_text() && !json_)
      tell("{}\n", dim("This model has no tokenizer: there are ids (see --json), but no text."));
    bool plain = raw_;
    if (!ids_ && !plain && model->text().templates().empty()) {
      if (system_)
        throw LoadError({.what = "--system needs a chat template, and this model has none",
                         .where = model_.model,
                         .expected = {},
                         .found = {},
                         .advice = "Put it into the prompt."});
      tell("{}\n", dim("This model has no chat template: the text is continued as it is (--raw)."));
      plain = true;
    }
    const engine::Sampling sampling = sampling_.sampling(model->sampling_defaults());
    if (once)
      return answer_once(*model, ids_ ? Prompt(engine::IdsPrompt{ids}) : prompt_of(*prompt, plain), sampling);
    return chat(*model, {.system = system_.value_or(""),
                         .plain = plain,
                         .quiet = quiet_,
                         .sampling = sampling,
                         .limits = sampling_.limits()});
  }

 private:
  using Prompt = engine::Prompt;

  void check_usage() const {
    sampling_.check();
    if (prompt_ && ids_) throw UsageError("--prompt and --ids exclude each other");
    if (system_ && (raw_ || ids_))
      throw UsageError("--system has no meaning with --raw or --ids: there is no chat template");
    if (system_ && !is_utf8(*system_)) throw UsageError("--system: the text is not UTF-8");
    if (json_ && !prompt_ && !ids_ && input_is_terminal()) throw UsageError("--json needs --prompt or --ids");
  }

  /// The text to answer once, or nothing when there is a terminal to chat on.
  std::optional<std::string> prompt_text() const {
    if (ids_) return std::nullopt;
    if (!prompt_ && input_is_terminal()) return std::nullopt;
    const bool given = prompt_ && *prompt_ != "-";
    std::string text = given ? *prompt_ : read_standard_input();
    if (!is_utf8(text))
      throw UsageError(fmt::format("{}: the text is not UTF-8", given ? "--prompt" : "standard input"));
    if (given) return text;
    // `echo question | varve run` asks the question, not the line end.
    if (!raw_ && text.ends_with('\n')) text.pop_back();
    if (text.empty())
      throw UsageError(
          "standard input is empty and no terminal: give --prompt TEXT, or text on standard input");
    return text;
  }

  Prompt prompt_of(const std::string& text, bool plain) const {
    if (plain) return engine::TextPrompt{.text = text, .add_special = true, .parse_special = false};
    Array messages;
    const auto add = [&](const char* role, const std::string& content) {
      Table message;
      message.set("role", role);
      message.set("content", content);
      messages.emplace_back(std::move(message));
    };
    if (system_) add("system", *system_);
    add("user", text);
    return text::ChatInput{.messages = std::move(messages), .add_generation_prompt = true};
  }

  int answer_once(runtime::LoadedModel& model, Prompt prompt, const engine::Sampling& sampling) const {
    const InterruptScope interrupts;
    const auto show = [this](const std::string& text) {
      if (!json_) print_now(text);
    };
    const Result<Answer> answer = run_request(
        model,
        {.prompt = std::move(prompt), .sampling = sampling, .limits = sampling_.limits(), .stream = true},
        interrupts, show);
    if (!answer)
      throw LoadError(
          {.what = answer.error().message, .where = {}, .expected = {}, .found = {}, .advice = {}});
    const engine::FinishEvent& finish = answer.value().finish;
    if (json_) {
      fmt::print("{}\n", json::dump(answer_value(answer.value(), load_seconds_)));
    } else {
      if (!answer.value().text.ends_with('\n')) print_now("\n");
      if (finish.reason == engine::FinishReason::length)
        tell("{}\n", dim("(cut: --max-tokens and --context allow more)"));
      if (!quiet_) tell("{}\n", dim(figures_text(finish)));
    }
    constexpr int kInterrupted = 130;  // as a shell reports Ctrl-C
    return finish.reason == engine::FinishReason::cancelled ? kInterrupted : 0;
  }

  ModelOptions model_;
  SamplingOptions sampling_;
  std::optional<std::string> prompt_, system_, ids_;
  bool raw_ = false, json_ = false, quiet_ = false;
  double load_seconds_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_run() { return std::make_unique<Run>(); }

}  // namespace varve::app

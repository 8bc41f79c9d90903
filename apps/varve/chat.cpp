#include "chat.h"

#include <fmt/format.h>

#include <utility>

#include "answer.h"
#include "interrupt.h"
#include "line_editor.h"
#include "terminal.h"

namespace varve::app {

namespace {

constexpr const char* kHelp =
    "  /clear   forget the conversation\n"
    "  /exit    leave (so do Ctrl-D, and Ctrl-C twice)\n"
    "  /help    this\n"
    "  \"\"\"      begins and ends a message of several lines\n"
    "  Ctrl-C   stops an answer\n"
    "  Up, Down bring back what you wrote\n";

class Chat {
 public:
  Chat(runtime::LoadedModel& model, const ChatSettings& settings) : model_(model), settings_(settings) {
    clear();
  }

  int run() {
    tell("{}\n", dim("Write a message, or /help."));
    bool warned = false;  // Ctrl-C at the prompt once already
    for (;;) {
      std::string message;
      interrupts_.clear();
      const LineEditor::Outcome outcome = read_message(message);
      if (outcome == LineEditor::Outcome::end) break;
      if (outcome == LineEditor::Outcome::interrupted) {
        if (std::exchange(warned, true)) break;
        tell("\n{}\n", dim("Ctrl-C once more, or Ctrl-D, leaves."));
        continue;
      }
      warned = false;
      if (outcome == LineEditor::Outcome::cut) {
        tell("{}\n",
             dim("The terminal keeps 4095 bytes of a line, so the message may lack its end: it was not sent. "
                 "Give it as shorter lines between \"\"\", or as a file: varve run --prompt - < FILE"));
        continue;
      }
      if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
      if (is_command(message)) {
        if (!command(message)) return 0;
        continue;
      }
      say(message);
    }
    tell("\n");
    return 0;
  }

 private:
  LineEditor::Outcome read_message(std::string& message) {
    using Outcome = LineEditor::Outcome;
    Outcome outcome = lines_.next(">>> ", message);
    const bool is_text = outcome == Outcome::line || outcome == Outcome::cut;
    if (!is_text || !message.starts_with("\"\"\"")) return outcome;
    message.erase(0, 3);
    while (!message.ends_with("\"\"\"")) {
      std::string more;
      const Outcome next = lines_.next("... ", more);
      if (next == Outcome::cut)
        outcome = next;  // the rest of the message is still to be read, and not to be taken for others
      else if (next != Outcome::line)
        return next;
      message += "\n" + more;
    }
    message.resize(message.size() - 3);
    return outcome;
  }

  /// A lone word that begins with / ; "/etc/hosts is what?" is a message.
  static bool is_command(const std::string& message) {
    const std::string word = message.substr(0, message.find_last_not_of(" \t") + 1);
    return word.starts_with('/') && word.find_first_of(" \t\n") == std::string::npos;
  }

  /// False: leave.
  bool command(const std::string& message) {
    const std::string word = message.substr(0, message.find_last_not_of(" \t") + 1);
    if (word == "/exit") return false;
    if (word == "/clear") {
      clear();
      tell("{}\n", dim("The conversation is forgotten."));
    } else {
      if (word == "/help")
        tell("{}", kHelp);
      else
        tell("There is no command {}; /help lists them. (A space before it makes it a message.)\n",
             printable(word));
    }
    return true;
  }

  void clear() {
    messages_.clear();
    if (!settings_.system.empty()) add("system", settings_.system);
    model_.engine().forget();
  }

  void add(const char* role, const std::string& content) {
    Table message;
    message.set("role", role);
    message.set("content", content);
    messages_.emplace_back(std::move(message));
  }

  void say(const std::string& message) {
    engine::Request request{
        .prompt = engine::TextPrompt{.text = message, .add_special = true, .parse_special = false},
        .sampling = settings_.sampling,
        .limits = settings_.limits,
        .stream = true};
    if (!settings_.plain) {
      add("user", message);
      request.prompt = text::ChatInput{.messages = messages_, .add_generation_prompt = true};
    }
    interrupts_.clear();
    Result<Answer> answer = run_request(model_, std::move(request), interrupts_, print_now);
    if (!answer) {
      if (!settings_.plain) messages_.pop_back();
      tell("varve: {}\n{}\n", printable_lines(answer.error().message), dim("/clear begins anew."));
      return;
    }
    const engine::FinishEvent& finish = answer.value().finish;
    print_now("\n");
    if (finish.reason == engine::FinishReason::cancelled) tell("{}\n", dim("(stopped)"));
    if (finish.reason == engine::FinishReason::length)
      tell("{}\n", dim("(cut: --max-tokens and --context allow more)"));
    if (!settings_.quiet) tell("{}\n", dim(figures_text(finish)));
    if (settings_.plain) return;
    add("assistant", answer.value().text);
  }

  runtime::LoadedModel& model_;
  const ChatSettings& settings_;
  InterruptScope interrupts_;
  LineEditor lines_{interrupts_};
  Array messages_;
};

}  // namespace

int chat(runtime::LoadedModel& model, const ChatSettings& settings) { return Chat(model, settings).run(); }

}  // namespace varve::app

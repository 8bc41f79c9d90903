// varve tokenize MODEL|tokenizer.json
#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"
#include "models.h"
#include "runtime/text_files.h"
#include "terminal.h"
#include "words.h"

namespace varve::app {

namespace {

class Tokenize : public Command {
 public:
  About about() const override {
    return {.name = "tokenize",
            .summary = "Text to token ids",
            .examples =
                "  varve tokenize smollm2 --text \"Hello\"\n"
                "  varve tokenize path/to/tokenizer.json --json < story.txt"};
  }
  void declare(Options& options) override {
    options.positional({"MODEL", "", "A model, or a tokenizer.json"}, model_, true);
    options.text({"--text", "TEXT", "The text; otherwise all of standard input, byte for byte"}, text_);
    options.text({"--file", "FILE", "Read the text from a file"}, file_);
    options.flag("--no-special", "Leave out what the model puts around a text, such as its first token",
                 no_special_);
    options.flag("--parse-special", "Spellings of control tokens in the text become these tokens",
                 parse_special_);
    options.flag("--json", "Print {\"ids\": [...]}", json_);
  }
  int run() override {
    if (text_ && file_) throw UsageError("--text and --file exclude each other");
    const auto model = runtime::load_text(locate_model(open_store(), model_).path);
    const std::string text = text_ ? *text_ : read_input(file_.value_or("-"));
    const auto ids =
        model->tokenizer().encode(text, {.add_special = !no_special_, .parse_special = parse_special_});
    if (!ids)
      throw LoadError({.what = ids.error().message, .where = {}, .expected = {}, .found = {}, .advice = {}});
    if (json_) {
      Array list(ids.value().begin(), ids.value().end());
      Table facts;
      facts.set("ids", std::move(list));
      fmt::print("{}\n", json::dump(Value(std::move(facts))));
    } else {
      for (const int32_t id : ids.value())
        fmt::print("{:>7}  {}\n", id, printable(model->tokenizer().piece(id)));
    }
    return 0;
  }

 private:
  std::string model_;
  std::optional<std::string> text_, file_;
  bool no_special_ = false, parse_special_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_tokenize() { return std::make_unique<Tokenize>(); }

}  // namespace varve::app

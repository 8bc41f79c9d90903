// varve detokenize MODEL|tokenizer.json
#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"
#include "models.h"
#include "runtime/text_files.h"
#include "words.h"

namespace varve::app {

namespace {

class Detokenize : public Command {
 public:
  About about() const override {
    return {.name = "detokenize",
            .summary = "Token ids to text",
            .examples =
                "  varve detokenize smollm2 --ids 19556,28\n"
                "  varve tokenize smollm2 --json < story.txt | varve detokenize smollm2 --skip-special"};
  }
  void declare(Options& options) override {
    options.positional({"MODEL", "", "A model, or a tokenizer.json"}, model_, true);
    options.text(
        {"--ids", "IDS", "1,2,3; otherwise standard input: numbers, a JSON list, or {\"ids\": [...]}"}, ids_);
    options.flag("--skip-special", "Leave out special tokens", skip_special_);
    options.flag("--json", "Print {\"text\": ...}", json_);
  }
  int run() override {
    const std::vector<int32_t> ids = read_ids(ids_ ? *ids_ : read_standard_input());
    const auto model = runtime::load_text(locate_model(open_store(), model_).path);
    for (const int32_t id : ids)
      if (id >= model->tokenizer().vocab_size())
        throw LoadError({.what = fmt::format("there is no token {}", id),
                         .where = model_,
                         .expected = fmt::format("ids below {}", model->tokenizer().vocab_size()),
                         .found = {},
                         .advice = {}});
    const std::string text = model->tokenizer().decode(ids, skip_special_);
    if (json_) {
      Table facts;
      facts.set("text", text);
      fmt::print("{}\n", json::dump(Value(std::move(facts))));
    } else {
      // As it is: no line end is added.
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
    return 0;
  }

 private:
  std::string model_;
  std::optional<std::string> ids_;
  bool skip_special_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_detokenize() { return std::make_unique<Detokenize>(); }

}  // namespace varve::app

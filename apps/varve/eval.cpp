// varve eval MODEL --text FILE
#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"
#include "evaluation.h"
#include "load.h"

namespace varve::app {

namespace {

class Eval : public Command {
 public:
  About about() const override {
    return {
        .name = "eval",
        .summary = "Perplexity of a text, and the distance between two ways of running a model",
        .examples =
            "  varve eval smollm2 --text story.txt\n"
            "  varve eval smollm2 --text story.txt --against-precision exact\n"
            "  varve eval ./my-4bit --text story.txt --against ./my-bf16 --json\n"
            "  varve eval smollm2 --text wiki.raw --window 512 --skip 256     the second halves of windows"};
  }
  void declare(Options& options) override {
    model_.declare_without_context(options, true);
    options.text({"--text", "FILE", "The text to predict; - reads standard input"}, file_);
    options.text({"--against", "MODEL", "Compare with this model (same vocabulary)"}, against_);
    options.choice({"--against-precision", "WORD", "Compare with this precision; otherwise as --precision"},
                   {"exact", "fast"}, against_precision_);
    cut_.declare(options);
    options.flag("--json", "Print one object", json_);
  }

  int run() override {
    if (!file_) throw UsageError("--text FILE says what to predict");
    const std::string text = read_evaluation_text(*file_);
    model_.context = kContext;
    ModelOptions other = model_;
    other.model = against_.value_or(model_.model);
    if (!against_precision_.empty()) other.precision = against_precision_;
    const bool compared = against_ || !against_precision_.empty();

    const auto subject = load_model(model_);
    const auto reference = compared ? load_model(other) : nullptr;
    const Measured measured =
        measure({model_.model, subject.get()}, {other.model, reference.get()}, text, cut_);
    if (json_)
      fmt::print("{}\n", json::dump(Value(facts_of(measured))));
    else
      fmt::print("{}", lines_of(measured));
    return 0;
  }

 private:
  static constexpr int64_t kContext = 16;  // of the engine that comes with a model and stays idle here

  ModelOptions model_;
  std::optional<std::string> file_, against_;
  std::string against_precision_;
  TextCut cut_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_eval() { return std::make_unique<Eval>(); }

}  // namespace varve::app

// varve eval MODEL --text FILE
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "core/json.h"
#include "engine/evaluate.h"
#include "models.h"
#include "progress.h"
#include "runtime/loaded_model.h"
#include "terminal.h"
#include "words.h"

namespace varve::app {

namespace {

class Eval : public Command {
 public:
  About about() const override {
    return {.name = "eval",
            .summary = "Perplexity of a text, and the distance between two ways of running a model",
            .examples =
                "  varve eval smollm2 --text story.txt\n"
                "  varve eval smollm2 --text story.txt --against-precision exact\n"
                "  varve eval ./my-4bit --text story.txt --against ./my-bf16 --json"};
  }
  void declare(Options& options) override {
    options.positional({"MODEL", "", "The model to measure"}, model_, true);
    options.text({"--text", "FILE", "The text to predict; - reads standard input"}, file_);
    options.text({"--against", "MODEL", "Compare with this model (same vocabulary)"}, against_);
    options.choice({"--against-precision", "WORD", "Compare with this precision"}, {"exact", "fast"},
                   against_precision_);
    options.choice({"--precision", "WORD", "How to run MODEL"}, {"fast", "exact"}, precision_);
    options.integer({"--window", "N", "Tokens of one window (1024); each begins with an empty context"},
                    {2, 1 << 20}, window_);
    options.integer({"--tokens", "N", "Use the text's first N tokens"}, {2, 1e9}, tokens_);
    options.integer({"--threads", "N", "Threads; every core unless said"}, {1, 1024}, threads_);
    options.flag("--json", "Print one object", json_);
  }

  int run() override {
    if (!file_) throw UsageError("--text FILE says what to predict");
    const auto store = open_store();
    const ops::Precision precision = precision_from(precision_);
    const auto subject = open(store, model_, precision);
    std::unique_ptr<runtime::LoadedModel> reference;
    if (against_ || !against_precision_.empty())
      reference = open(store, against_.value_or(model_),
                       against_precision_.empty() ? precision : precision_from(against_precision_));
    if (reference && reference->spec().vocab != subject->spec().vocab)
      throw UsageError(fmt::format("the vocabularies differ: {} and {} ids", subject->spec().vocab,
                                   reference->spec().vocab));

    for (const auto* model : {subject.get(), reference.get()})
      if (model && model->spec().learned_positions > 0 && window() > model->spec().max_positions)
        throw UsageError(fmt::format("--window is {}; the model has {} positions, which were learned",
                                     window(), model->spec().max_positions));
    const std::vector<int32_t> ids = ids_of_text(*subject);
    ProgressBar bar(errors_take_escapes(), "tokens");
    const engine::EvaluateOptions options{.window = window(), .progress = [&](int64_t done, int64_t total) {
                                            bar.update("predicting", static_cast<uint64_t>(done),
                                                       static_cast<uint64_t>(total));
                                          }};
    const engine::Subject other =
        reference ? engine::Subject{&reference->model(), &reference->backend()} : engine::Subject{};
    const engine::Evaluation result =
        engine::evaluate({&subject->model(), &subject->backend()}, other, ids, options);
    bar.finish();
    print(result, reference != nullptr);
    return 0;
  }

 private:
  int64_t window() const { return window_.value_or(1024); }
  static ops::Precision precision_from(const std::string& word) {
    return word == "exact" ? ops::Precision::exact : ops::Precision::fast;
  }

  std::unique_ptr<runtime::LoadedModel> open(const store::Store& store, const std::string& name,
                                             ops::Precision precision) const {
    return runtime::LoadedModel::open(
        locate_model(store, name).path,
        {.precision = precision, .threads = static_cast<int>(threads_.value_or(0)), .context = 16});
  }

  std::vector<int32_t> ids_of_text(const runtime::LoadedModel& model) const {
    auto ids =
        model.text().tokenizer().encode(read_input(*file_), {.add_special = false, .parse_special = false});
    if (!ids) throw UsageError(ids.error().message);
    const int64_t vocab = model.spec().vocab;
    for (const int32_t id : ids.value())
      if (id >= vocab)
        throw LoadError({.what = "the tokenizer gives ids that the model does not have",
                         .where = model_,
                         .expected = fmt::format("ids below {}", vocab),
                         .found = fmt::format("{}", id),
                         .advice = "The tokenizer may be another model's."});
    if (tokens_) ids.value().resize(std::min(ids.value().size(), static_cast<size_t>(*tokens_)));
    if (static_cast<int64_t>(ids.value().size()) < window())
      throw UsageError(
          fmt::format("the text has {} tokens, one window needs {}: give a longer text or a "
                      "smaller --window",
                      ids.value().size(), window()));
    return std::move(ids.value());
  }

  void print(const engine::Evaluation& e, bool compared) const {
    Table facts;
    facts.set("positions", e.positions);
    facts.set("window", window());
    facts.set("perplexity", e.perplexity);
    if (compared) {
      facts.set("reference_perplexity", e.reference_perplexity);
      facts.set("kl_mean", e.kl_mean);
      facts.set("kl_99", e.kl_99);
      facts.set("top1_agreement", e.top1);
    }
    if (json_) {
      fmt::print("{}\n", json::dump(Value(std::move(facts))));
      return;
    }
    fmt::print("positions             {}\n", e.positions);
    fmt::print("perplexity            {:.4f}\n", e.perplexity);
    if (!compared) return;
    fmt::print("reference perplexity  {:.4f}\n", e.reference_perplexity);
    fmt::print("KL mean               {:.3e}\n", e.kl_mean);
    fmt::print("KL 99th percentile    {:.3e}\n", e.kl_99);
    fmt::print("top-1 agreement       {:.4f}\n", e.top1);
  }

  std::string model_;
  std::optional<std::string> file_, against_;
  std::string precision_ = "fast", against_precision_;
  std::optional<int64_t> window_, tokens_, threads_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_eval() { return std::make_unique<Eval>(); }

}  // namespace varve::app

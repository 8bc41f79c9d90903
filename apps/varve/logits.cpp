// varve logits MODEL --ids 1,2,3 --out FILE.npy
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "interrupt.h"
#include "load.h"
#include "npy.h"
#include "pages.h"
#include "words.h"

namespace varve::app {

namespace {

class Logits : public Command {
 public:
  Logits() { model_.precision = "exact"; }

  About about() const override {
    return {.name = "logits",
            .summary = "Write a model's logits to a .npy file",
            .examples =
                "  varve logits path/to/model --ids 1,2,3 --out logits.npy       float32 [3, vocabulary]\n"
                "  varve logits smollm2 --ids 1,2,3 --out a.npy --hidden         also a.hidden.npy"};
  }
  void declare(Options& options) override {
    model_.declare(options, true);
    options.text({"--ids", "IDS", "Token ids 1,2,3; - reads them from standard input"}, ids_);
    options.text({"--out", "FILE", "Where the logits go: float32 [tokens, vocabulary]"}, out_);
    options.flag(
        "--hidden",
        "Also write FILE with .hidden.npy: float32 [1 + layers, tokens, hidden], the embedding and each "
        "layer's output",
        hidden_);
    options.integer({"--chunk", "N", "Tokens per step (default 512); the numbers do not depend on it"},
                    {1, 1 << 16}, chunk_);
  }

  int run() override {
    if (!ids_) throw UsageError("--ids is required");
    if (!out_) throw UsageError("--out FILE.npy is required");
    if (!out_->ends_with(".npy")) throw UsageError(fmt::format("--out: '{}' must end in .npy", *out_));
    NpyWriter::check_target(*out_);
    if (hidden_) NpyWriter::check_target(hidden_name());
    const std::vector<int32_t> ids = read_ids(*ids_ == "-" ? read_standard_input() : *ids_);
    if (ids.empty()) throw UsageError("--ids names no token");
    if (!model_.context) model_.context = std::max<int64_t>(static_cast<int64_t>(ids.size()), 2);
    if (static_cast<int64_t>(ids.size()) > *model_.context)
      throw UsageError(fmt::format("--ids names {} tokens, --context holds {}", ids.size(), *model_.context));
    const auto model = load_model(model_);
    for (const int32_t id : ids)
      if (id >= model->spec().vocab)
        throw LoadError({.what = fmt::format("there is no token {}", id),
                         .where = "--ids",
                         .expected = fmt::format("ids below {}", model->spec().vocab),
                         .found = {},
                         .advice = {}});
    return compute(*model, ids);
  }

 private:
  std::string hidden_name() const { return out_->substr(0, out_->size() - 4) + ".hidden.npy"; }

  /// The exit code. A signal to end leaves no file.
  int compute(runtime::LoadedModel& model, const std::vector<int32_t>& ids) const {
    constexpr int kInterrupted = 130;  // as a shell reports Ctrl-C
    const InterruptScope interrupts(InterruptScope::Signals::ending);
    const auto rows = static_cast<int64_t>(ids.size());
    const int64_t vocab = model.spec().vocab, width = model.spec().hidden;
    const auto states = static_cast<int64_t>(model.spec().layers.size()) + 1;
    NpyWriter logits_file(*out_, {rows, vocab});
    std::vector<float> hidden(hidden_ ? static_cast<size_t>(states * rows * width) : 0);
    const SequencePages pages(model.model().state(), rows, 1);
    const int64_t chunk = std::min(chunk_.value_or(512), rows);
    std::vector<float> logits(static_cast<size_t>(chunk * vocab));
    for (int64_t begin = 0; begin < rows; begin += chunk) {
      if (interrupts.pending()) return kInterrupted;
      const int64_t count = std::min(chunk, rows - begin);
      nn::Step step;
      step.tokens.assign(ids.begin() + begin, ids.begin() + begin + count);
      step.slices.push_back(pages.slice(0, 0, count, begin));
      for (int32_t row = 0; row < count; ++row) step.logit_rows.push_back(row);
      nn::Model::Output output{.logits = logits.data(), .hidden = {}};
      if (hidden_)
        output.hidden = [&](int layer, const float* values) {
          std::copy_n(values, count * width, hidden.data() + ((layer + 1) * rows + begin) * width);
        };
      model.model().forward(step, model.backend(), output);
      logits_file.append({logits.data(), static_cast<size_t>(count * vocab)});
    }
    if (hidden_) {
      NpyWriter hidden_file(hidden_name(), {states, rows, width});
      hidden_file.append(hidden);
      hidden_file.finish();
    }
    logits_file.finish();
    return 0;
  }

  ModelOptions model_;
  std::optional<std::string> ids_, out_;
  std::optional<int64_t> chunk_;
  bool hidden_ = false;
};

}  // namespace

std::unique_ptr<Command> make_logits() { return std::make_unique<Logits>(); }

}  // namespace varve::app

#include "evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/log.h"
#include "progress.h"
#include "terminal.h"
#include "words.h"

namespace varve::app {

namespace {

constexpr int64_t kWindow = 1024;

std::vector<int32_t> ids_of(const NamedModel& model, const std::string& text) {
  auto ids = model.model->text().tokenizer().encode(text, {.add_special = false, .parse_special = false});
  if (!ids) throw UsageError(ids.error().message);
  const int64_t vocab = model.model->spec().vocab;
  for (const int32_t id : ids.value())
    if (id >= vocab)
      throw LoadError({.what = "the tokenizer gives ids that the model does not have",
                       .where = model.name,
                       .expected = fmt::format("ids below {}", vocab),
                       .found = fmt::format("{}", id),
                       .advice = "The tokenizer may be another model's."});
  return std::move(ids.value());
}

/// The two predict the same tokens with the same ids.
void require_one_vocabulary(const NamedModel& subject, const NamedModel& reference, const std::string& text,
                            const std::vector<int32_t>& ids) {
  const int64_t here = subject.model->spec().vocab, there = reference.model->spec().vocab;
  if (here != there)
    throw LoadError({.what = "the vocabularies differ",
                     .where = reference.name,
                     .expected = fmt::format("{} ids, as {} has", here, subject.name),
                     .found = fmt::format("{} ids", there),
                     .advice = "Only models with one vocabulary can be compared."});
  if (reference.model->has_text() && ids_of(reference, text) != ids)
    throw LoadError({.what = "the tokenizers cut the text differently",
                     .where = reference.name,
                     .expected = fmt::format("the tokens that {} makes of it", subject.name),
                     .found = {},
                     .advice = "Only models with one tokenizer can be compared."});
}

/// The token that the model's tokenizer puts before a text.
std::optional<int32_t> leading_token(const text::Tokenizer& tokenizer) {
  const auto bos = tokenizer.bos_id();
  const auto with = tokenizer.encode("a", {.add_special = true, .parse_special = false});
  const auto without = tokenizer.encode("a", {.add_special = false, .parse_special = false});
  if (!bos || !with || !without || with.value().empty() || with.value() == without.value())
    return std::nullopt;
  return with.value().front() == *bos ? bos : std::nullopt;
}

std::optional<int32_t> bos_of(const NamedModel& subject, const std::string& word) {
  const text::Tokenizer& tokenizer = subject.model->text().tokenizer();
  if (word == "never") return std::nullopt;
  const auto bos = word == "always" ? tokenizer.bos_id() : leading_token(tokenizer);
  if (word == "always" && !bos) throw UsageError("--bos always: the model's tokenizer names no such token");
  return bos && *bos < subject.model->spec().vocab ? bos : std::nullopt;
}

/// The longest window that the model was made for.
int64_t most_positions(const NamedModel& model) {
  const int64_t most = model.model->spec().max_positions;
  return most > 0 ? most : std::numeric_limits<int64_t>::max();
}

/// The cut of so many tokens.
Measured plan(const NamedModel& subject, const NamedModel& reference, int64_t tokens, const TextCut& cut) {
  Measured out{.figures = {}, .compared = reference.model != nullptr, .tokens = tokens};
  out.window = cut.window.value_or(std::min({kWindow, tokens, most_positions(subject)}));
  if (out.window > tokens || tokens < 2)
    throw UsageError(fmt::format("the text has {} tokens, one window needs {}: give a longer text{}", tokens,
                                 std::max<int64_t>(out.window, 2),
                                 cut.window ? " or a smaller --window" : ""));
  for (const NamedModel& model : {subject, reference}) {
    if (!model.model || out.window <= most_positions(model)) continue;
    const std::string told = fmt::format("--window is {}; {} was made for {} positions", out.window,
                                         model.name, most_positions(model));
    if (model.model->spec().learned_positions > 0) throw UsageError(told);
    log::warn(told);
  }
  out.stride = cut.stride.value_or(out.window);
  if (out.stride > out.window)
    throw UsageError(
        fmt::format("--stride is {}, a window {}: tokens would be left out", out.stride, out.window));
  out.skip = cut.skip.value_or(0);
  if (out.skip > out.window - 2)
    throw UsageError(
        fmt::format("--skip is {}: a window of {} has {} predictions", out.skip, out.window, out.window - 1));
  return out;
}

}  // namespace

void TextCut::declare(Options& options) {
  options.integer({"--window", "N", "Tokens of one window (1024, or fewer for a short text)"}, {2, 1 << 20},
                  window);
  options.integer({"--stride", "N",
                   "Tokens from one window to the next (the window); with fewer, every prediction has at "
                   "least window - N tokens before it"},
                  {1, 1 << 20}, stride);
  options.integer({"--skip", "N", "Predictions at the beginning of each window that do not count (0)"},
                  {0, 1 << 20}, skip);
  options.integer({"--tokens", "N", "Use the text's first N tokens"}, {2, 1e9}, tokens);
  options.choice({"--bos", "WORD",
                  "Begin each window with the token that begins a text: auto (default) as the model's "
                  "tokenizer does"},
                 {"auto", "always", "never"}, bos);
}

std::string read_evaluation_text(const std::string& file) {
  std::string text = read_input(file);
  const std::string name = file == "-" ? "standard input" : file;
  if (text.empty()) throw UsageError(fmt::format("{} is empty: there is nothing to predict", name));
  if (!is_utf8(text)) throw UsageError(fmt::format("{} is not UTF-8 text", name));
  return text;
}

Measured measure(const NamedModel& subject, const NamedModel& reference, const std::string& text,
                 const TextCut& cut) {
  std::vector<int32_t> ids = ids_of(subject, text);
  if (reference.model) require_one_vocabulary(subject, reference, text, ids);
  const auto bos = bos_of(subject, cut.bos);
  if (bos) ids.insert(ids.begin(), *bos);
  if (cut.tokens) ids.resize(std::min(ids.size(), static_cast<size_t>(*cut.tokens)));

  Measured out = plan(subject, reference, static_cast<int64_t>(ids.size()), cut);
  out.bos = bos;
  if (bos) out.bos_piece = subject.model->text().tokenizer().piece(*bos);
  ProgressBar bar(errors_take_escapes(), "tokens");
  const engine::EvaluateOptions options{.window = out.window,
                                        .stride = out.stride,
                                        .skip = out.skip,
                                        .bos = bos,
                                        .pool = &subject.model->pool(),
                                        .progress = [&](int64_t done, int64_t total) {
                                          bar.update("predicting", static_cast<uint64_t>(done),
                                                     static_cast<uint64_t>(total));
                                        }};
  out.windows = engine::windows_in(out.tokens, options);
  const auto as_subject = [](const NamedModel& one) {
    return one.model ? engine::Subject{&one.model->model(), &one.model->backend(), one.name}
                     : engine::Subject{};
  };
  out.figures = engine::evaluate(as_subject(subject), as_subject(reference), ids, options);
  bar.finish();
  return out;
}

Table facts_of(const Measured& m) {
  const engine::Evaluation& e = m.figures;
  Table facts;
  facts.set("tokens", m.tokens);
  facts.set("windows", m.windows);
  facts.set("window", m.window);
  facts.set("stride", m.stride);
  facts.set("skip", m.skip);
  facts.set("bos", m.bos ? Value(static_cast<int64_t>(*m.bos)) : Value());
  facts.set("positions", e.positions);
  const auto set = [&](const std::string& key, const engine::Estimate& estimate) {
    facts.set(key, estimate.value);
    facts.set(key + "_error", estimate.error);
  };
  set("perplexity", e.perplexity);
  if (!m.compared) return facts;
  set("reference_perplexity", e.reference_perplexity);
  set("perplexity_ratio", e.ratio);
  set("kl_mean", e.kl);
  facts.set("kl_median", e.kl_median);
  facts.set("kl_99", e.kl_99);
  facts.set("kl_max", e.kl_max);
  set("top1_agreement", e.top1);
  facts.set("probability_shift_rms", e.shift_rms);
  return facts;
}

std::string lines_of(const Measured& m) {
  const engine::Evaluation& e = m.figures;
  std::string out;
  const auto line = [&](const char* name, const std::string& value) {
    out += fmt::format("{:<21} {}\n", name, value);
  };
  const auto estimate = [](const engine::Estimate& one) {
    return fmt::format("{:.4f} +/- {:.4f}", one.value, one.error);
  };
  line("windows", fmt::format("{} of {} tokens{}{}", m.windows, m.window,
                              m.stride < m.window ? fmt::format(", every {}", m.stride) : "",
                              m.skip > 0 ? fmt::format(", {} predictions skipped", m.skip) : ""));
  line("begin with", m.bos ? printable(m.bos_piece) : "the text");
  line("predictions", fmt::format("{}", e.positions));
  line("perplexity", estimate(e.perplexity));
  if (!m.compared) return out;
  line("reference perplexity", estimate(e.reference_perplexity));
  line("ratio", estimate(e.ratio));
  line("KL mean", fmt::format("{:.3e} +/- {:.1e}", e.kl.value, e.kl.error));
  line("KL median", fmt::format("{:.3e}", e.kl_median));
  line("KL 99th percentile", fmt::format("{:.3e}", e.kl_99));
  line("KL maximum", fmt::format("{:.3e}", e.kl_max));
  line("top-1 agreement", estimate(e.top1));
  line("probability shift", fmt::format("{:.4f}, root mean square", e.shift_rms));
  return out;
}

}  // namespace varve::app

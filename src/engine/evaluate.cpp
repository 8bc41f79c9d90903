#include "engine/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "core/buffer.h"
#include "core/checked.h"
#include "core/error.h"
#include "core/system_memory.h"

namespace varve::engine {

namespace {

constexpr int64_t kMostRows = 512;                    // of a step, as the engine's
constexpr int64_t kLogitsBytes = int64_t{128} << 20;  // of a step and model

int64_t stride_of(const EvaluateOptions& options) {
  return options.stride > 0 ? options.stride : options.window;
}

int64_t rows_of(const EvaluateOptions& options, int64_t vocab) {
  if (options.rows > 0) return options.rows;
  return std::clamp<int64_t>(kLogitsBytes / (vocab * static_cast<int64_t>(sizeof(float))), 1, kMostRows);
}

/// The first prediction of a window that counts: prediction p is that of token p + 1 of the window.
int64_t first_counted(const EvaluateOptions& options, int64_t window) {
  const int64_t seen = window == 0 ? 0 : options.window - stride_of(options) - 1;
  return std::max(options.skip, seen);
}

/// The positions [position, position + count) of each of the windows [first, first + windows).
struct Part {
  int64_t first = 0, windows = 0, position = 0, count = 0;
};

/// A part as a step, but for the memory of its sequences. Logits are wanted where the prediction counts.
struct Batch {
  Part part;
  nn::Step step;
  std::vector<int32_t> next;  // the token that each wanted row predicts
};

Batch batch_of(std::span<const int32_t> ids, const EvaluateOptions& options, const Part& part) {
  Batch out{.part = part, .step = {}, .next = {}};
  for (int64_t w = part.first; w < part.first + part.windows; ++w) {
    const int32_t* window = ids.data() + w * stride_of(options);
    for (int64_t p = part.position; p < part.position + part.count; ++p) {
      if (p >= first_counted(options, w)) {
        out.step.logit_rows.push_back(static_cast<int32_t>(out.step.rows()));
        out.next.push_back(window[p + 1]);
      }
      out.step.tokens.push_back(p == 0 && options.bos ? *options.bos : window[p]);
    }
  }
  return out;
}

/// What a model needs at once: so many windows of `tokens`, and the logits of so many rows.
struct Room {
  int64_t tokens = 0, windows = 0, rows = 0;
};

/// One model with memory for some windows at once.
class WindowRunner {
 public:
  WindowRunner(const Subject& subject, const Room& room)
      : subject_(subject),
        window_(room.tokens),
        pages_(divide_up(room.tokens, ops::kPageTokens)),
        page_stride_(round_up(subject.model->state().page_bytes, kAlignment)),
        slot_stride_(round_up(subject.model->state().slot_bytes, kAlignment)) {
    const int64_t memory = room.windows * pages_ * page_stride_, slots = room.windows * slot_stride_;
    const int64_t logits = room.rows * subject.model->spec().vocab;
    require(static_cast<uint64_t>(memory + slots + logits * static_cast<int64_t>(sizeof(float))));
    memory_ = Buffer(static_cast<size_t>(memory));
    slots_ = Buffer(static_cast<size_t>(slots));
    logits_.resize(static_cast<size_t>(logits));
  }

  const Subject& subject() const { return subject_; }

  /// Logits [batch.next, vocab].
  const float* run(const Batch& batch) {
    if (batch.part.position == 0 && slots_.size() > 0)
      std::fill_n(slots_.data(), slots_.size(), std::byte{0});
    nn::Step step = batch.step;
    for (int64_t w = 0; w < batch.part.windows; ++w) step.slices.push_back(slice(batch.part, w));
    subject_.model->forward(step, *subject_.backend, {.logits = logits_.data()});
    return logits_.data();
  }

 private:
  static constexpr int64_t kAlignment = 64;

  void require(uint64_t bytes) const {
    const uint64_t available = available_memory();
    if (bytes <= available) return;
    throw LoadError({.what = fmt::format("too little memory for windows of {} tokens", window_),
                     .where = subject_.name,
                     .expected = fmt::format("{:.2f} GB free", static_cast<double>(bytes) / 1e9),
                     .found = fmt::format("{:.2f} GB free", static_cast<double>(available) / 1e9),
                     .advice = "Take shorter windows, or end other programs."});
  }

  nn::Step::Slice slice(const Part& part, int64_t w) {
    nn::Step::Slice out{.begin = static_cast<int32_t>(w * part.count),
                        .count = static_cast<int32_t>(part.count),
                        .position = static_cast<int32_t>(part.position),
                        .limit = window_,
                        .pages = {},
                        .slot = slot_stride_ > 0 ? slots_.data() + w * slot_stride_ : nullptr};
    for (int64_t page = 0; page < divide_up(part.position + part.count, ops::kPageTokens); ++page)
      out.pages.push_back(memory_.data() + (w * pages_ + page) * page_stride_);
    return out;
  }

  Subject subject_;
  int64_t window_, pages_, page_stride_, slot_stride_;
  Buffer memory_, slots_;
  std::vector<float> logits_;
};

[[noreturn]] void refuse_logits(const Subject& subject) {
  throw LoadError({.what = "the model gives no numbers for the next token",
                   .where = subject.name,
                   .expected = "finite logits",
                   .found = "NaN or infinity",
                   .advice = "Its weights may be damaged, or numbers of 16 bits too small for it."});
}

/// The predictions of a step, appended.
void append(const Batch& batch, WindowRunner& run, WindowRunner* reference, ThreadPool* pool,
            std::vector<Prediction>& predictions) {
  const int64_t vocab = run.subject().model->spec().vocab;
  const float* logits = run.run(batch);
  const float* others = reference ? reference->run(batch) : nullptr;
  const size_t before = predictions.size();
  predictions.resize(before + batch.next.size());
  const auto fill = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      predictions[before + static_cast<size_t>(i)] =
          predict(logits + i * vocab, others ? others + i * vocab : nullptr, vocab,
                  batch.next[static_cast<size_t>(i)]);
  };
  const auto count = static_cast<int64_t>(batch.next.size());
  pool ? pool->for_ranges(count, fill) : fill(0, count);
  for (size_t i = before; i < predictions.size(); ++i) {
    if (std::isnan(predictions[i].loss)) refuse_logits(run.subject());
    if (std::isnan(predictions[i].reference_loss)) refuse_logits(reference->subject());
  }
}

}  // namespace

int64_t windows_in(int64_t tokens, const EvaluateOptions& options) {
  return tokens < options.window ? 0 : (tokens - options.window) / stride_of(options) + 1;
}

Evaluation evaluate(const Subject& subject, const Subject& reference, std::span<const int32_t> ids,
                    const EvaluateOptions& options) {
  const int64_t windows = windows_in(static_cast<int64_t>(ids.size()), options);
  check(options.window > 1 && windows > 0, "evaluate needs at least one window of two tokens");
  check(stride_of(options) <= options.window, "windows of a text leave no gaps");
  check(options.skip >= 0 && options.skip <= options.window - 2, "a window must count a prediction");
  const int64_t vocab = subject.model->spec().vocab;
  check(!reference.model || reference.model->spec().vocab == vocab, "evaluate needs equal vocabularies");

  // Whole windows side by side in a step, or one window in even parts. Its last token predicts nothing.
  const int64_t length = options.window - 1, most = rows_of(options, vocab);
  const int64_t together = std::clamp<int64_t>(most / length, 1, windows);
  const int64_t part = divide_up(length, divide_up(length, most));
  const Room room{.tokens = options.window, .windows = together, .rows = together * part};
  WindowRunner run(subject, room);
  std::optional<WindowRunner> run_reference;
  if (reference.model) run_reference.emplace(reference, room);

  std::vector<Prediction> predictions;
  for (int64_t first = 0; first < windows; first += together) {
    const int64_t count = std::min(together, windows - first);
    for (int64_t at = 0; at < length; at += part) {
      const int64_t end = std::min(at + part, length);
      const Batch batch = batch_of(ids, options, {first, count, at, end - at});
      append(batch, run, run_reference ? &*run_reference : nullptr, options.pool, predictions);
      if (options.progress) options.progress(first * length + count * end, windows * length);
    }
  }
  return summarize(predictions, reference.model != nullptr);
}

}  // namespace varve::engine

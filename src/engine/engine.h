#pragma once
// The line from Request to Event. Many requests run at once; each one's answer is the same, bit for bit,
// as if it ran alone (design rule 5). One thread owns an engine: a command drives it itself
// (submit, run), a server's engine thread takes requests from a queue between steps.
//
//   submit:   Request -> Sequence   (tokenize, check, queue)
//   run_step: Sequences -> Step -> logits -> tokens -> Events
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/error.h"
#include "engine/answer_guide.h"
#include "engine/event.h"
#include "engine/grammar_cache.h"
#include "engine/memory_plan.h"
#include "engine/offered_tools.h"
#include "engine/prefix_cache.h"
#include "engine/request.h"
#include "engine/runner.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/seen_answers.h"
#include "engine/step_pace.h"
#include "engine/text.h"
#include "nn/model.h"
#include "ops/ops.h"
#include "state/page_pool.h"
#include "state/slot_pool.h"

namespace varve::engine {

inline constexpr int64_t kMaxStepTokens = 1 << 16;

/// A request that can run.
struct Prepared {
  Request request;
  std::vector<int32_t> ids;    // the prompt
  std::vector<int64_t> marks;  // Sequence::Prefix::marks
  text::syntax::ToolSet tools;
  bool in_thought = false;  // the prompt ends inside a thought
  AnswerGuide::Plan guide;
  /// Since when it waits; nothing: since submit().
  Clock::time_point submitted{};
};

class Engine {
 public:
  struct Options {
    MemoryOptions memory;
    int64_t step_tokens = 512;   // rows of one step at most
    double step_seconds = 0.25;  // and about how long it may last (step_pace.h); 0: as long as it takes
    /// Tokens that end every answer (the checkpoint's generation config).
    std::vector<int32_t> stop_ids;
  };
  /// `model`, `backend` and `codec` (may be null: token ids only) outlive the engine. Options that do not
  /// go together, or not with the model, are refused; a LoadError when the memory cannot be had.
  static Result<std::unique_ptr<Engine>> create(nn::Model& model, ops::Backend& backend,
                                                const TextCodec* codec, const Options& options);

  /// Checks, renders, tokenizes: all that a request costs before it runs. Refused, with the field's name,
  /// when it is malformed, or longer than the context. Any thread, at any time.
  Result<Prepared> prepare(Request request) const;
  /// Tokens of the request's prompt, also where they are more than the context holds. Any thread.
  Result<int64_t> count(Request request) const;
  /// Queues it; its events go to `sink`.
  RequestId submit(Prepared prepared, Sink sink);
  /// Both in a row.
  Result<RequestId> submit(Request request, Sink sink);
  /// Ends a request with FinishReason::cancelled, at the end of the step if one is running, and frees what
  /// it holds. False when there is no such request any more.
  bool cancel(RequestId id);
  /// One step for everyone. False when nothing is left to do.
  bool run_step();
  /// Until nothing is left to do.
  void run();
  /// Drops all that earlier requests left behind.
  void forget() { scheduler_.cache().forget(); }

  int64_t context() const { return context_; }

  struct Stats {
    int64_t waiting = 0;
    int64_t running = 0;
    int64_t pages = 0;
    int64_t pages_held = 0;
    int64_t pages_promised = 0;
    int64_t page_bytes = 0;
    PrefixCache::Stats prefix;
  };
  Stats stats() const;

 private:
  struct Parts {
    nn::Model& model;
    ops::Backend& backend;
    const TextCodec* codec;
  };
  Engine(const Parts& parts, const Options& options, const MemoryPlan& memory);

  /// Tokens of prompt and answer at most, and whether that is the context's end.
  struct TokenLimit {
    int64_t tokens;
    bool of_context;
  };
  TokenLimit token_limit(const Request& request, int64_t prompt_tokens) const;
  std::optional<RequestError> refuse_choices(const Request& request, int64_t prompt_tokens) const;
  Result<std::vector<int32_t>> encode(const Request& request) const;
  Result<OfferedTools> read_chat(Request& request) const;
  std::optional<RequestError> refuse_length(int64_t prompt_tokens) const;
  std::vector<int32_t> with_seen_answers(const Request& request, std::vector<int32_t> ids) const;
  void admit();
  std::unique_ptr<Sequence> make_choice(const Prepared& prepared, int32_t choice, uint64_t seed,
                                        AnswerGuide::Plan guide);
  /// The sequence, and all that waited for it to compute their prompt, which is now theirs as well.
  std::vector<Sequence*> with_other_choices(Sequence& first);
  Result<std::span<const uint32_t>> allowed(Sequence& sequence);
  std::optional<RequestError> read(Sequence& sequence, int32_t id, std::vector<Piece>& pieces);
  void sample(Sequence& sequence, std::span<const float> logits);
  bool is_stop_id(const Sequence& sequence, int32_t id) const;
  void finish(Sequence& sequence, FinishEvent event);
  void fail(Sequence& sequence, RequestError error);
  bool end_cancelled();

  nn::Model& model_;
  const TextCodec* codec_;
  std::vector<int32_t> stop_ids_;
  int64_t context_;
  std::unique_ptr<GrammarCache> grammars_;  // safe from any thread
  // Before the scheduler: its sequences give their pages back when they go.
  state::PagePool pages_;
  state::SlotPool slots_;
  Scheduler scheduler_;
  StepPace pace_;
  Runner runner_;
  Sampler sampler_;
  SeenAnswers seen_;
  RequestId last_id_ = 0;
  bool in_step_ = false;
};

}  // namespace varve::engine

#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "core/system_memory.h"
#include "engine/prefix_marks.h"
#include "ops/kv_layout.h"

namespace varve::engine {

static_assert(state::kPageTokens == ops::kPageTokens, "pages of the state are the kernels' pages");

namespace {

/// Of a call that a grammar may yet take over: it does so within the first token or two.
constexpr size_t kLongestOpening = 256;

Usage usage_of(const Sequence& sequence) {
  return {.prompt_tokens = sequence.prompt_tokens,
          .cached_tokens = sequence.cached_tokens,
          .remembered_tokens = sequence.remembered_tokens,
          .completion_tokens = sequence.sampled(),
          .reasoning_tokens = sequence.reasoning_tokens};
}

Timings timings_of(const Sequence& sequence) {
  Timings timings;
  const auto now = Clock::now();
  const bool started = sequence.started != Clock::time_point{};
  timings.queued = seconds(sequence.submitted, started ? sequence.started : now);
  if (started) timings.prompt = seconds(sequence.started, sequence.sampled() ? sequence.first_token : now);
  if (sequence.sampled()) timings.decode = seconds(sequence.first_token, sequence.last_token);
  return timings;
}

/// Sends now, or gathers for a request that does not stream.
void send(Sequence& sequence, AnswerEvent event) {
  if (sequence.stream) {
    if (!event.pieces.empty() || !event.tokens.empty()) sequence.sink(std::move(event));
    return;
  }
  for (Piece& piece : event.pieces) text::syntax::append_piece(sequence.unsent.pieces, std::move(piece));
  std::move(event.tokens.begin(), event.tokens.end(), std::back_inserter(sequence.unsent.tokens));
}

/// Everything that is still held back.
void send_rest(Sequence& sequence) {
  AnswerEvent event{.pieces = {}, .tokens = {}, .choice = sequence.choice};
  sequence.text.finish(event.pieces);
  send(sequence, std::move(event));
  if (!sequence.stream && !sequence.unsent.tokens.empty()) sequence.sink(std::move(sequence.unsent));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(nn::Model& model, ops::Backend& backend,
                                               const TextCodec* codec, const Options& options) {
  auto memory = plan_memory(model.state(), model.spec().max_positions, options.memory, available_memory());
  if (!memory) return memory.error();
  log::debug(fmt::format("engine: a context of {} tokens; {:.1f} MB for {} pages and {} slots",
                         memory.value().context, static_cast<double>(memory.value().bytes) / 1e6,
                         memory.value().pages, memory.value().slots));
  if (options.step_tokens < options.memory.max_sequences || options.step_tokens > kMaxStepTokens)
    return RequestError{fmt::format("step_tokens must be from {} (max_sequences) to {}; it is {}",
                                    options.memory.max_sequences, kMaxStepTokens, options.step_tokens),
                        "step_tokens"};
  if (!(options.step_seconds >= 0.0 && options.step_seconds <= 3600.0))
    return RequestError{fmt::format("step_seconds must be from 0 to 3600; it is {}", options.step_seconds),
                        "step_seconds"};
  for (const int32_t id : options.stop_ids)
    if (id < 0 || id >= model.spec().vocab)
      return RequestError{
          fmt::format("stop token {} is not in the vocabulary of {} tokens", id, model.spec().vocab),
          "stop_ids"};
  return std::unique_ptr<Engine>(new Engine({model, backend, codec}, options, memory.value()));
}

Engine::Engine(const Parts& parts, const Options& options, const MemoryPlan& memory)
    : model_(parts.model),
      codec_(parts.codec),
      stop_ids_(options.stop_ids),
      context_(memory.context),
      grammars_(std::make_unique<GrammarCache>(codec_ ? codec_->vocabulary() : nullptr,
                                               parts.model.spec().vocab, options.stop_ids)),
      pages_(parts.model.state().page_bytes, memory.pages),
      slots_(parts.model.state().slot_bytes, memory.slots),
      scheduler_(options.memory.max_sequences, pages_, slots_),
      pace_(options.step_tokens, options.step_seconds),
      runner_(parts.model, parts.backend) {}

Result<RequestId> Engine::submit(Request request, Sink sink) {
  auto prepared = prepare(std::move(request));
  if (!prepared) return prepared.error();
  return submit(std::move(prepared.value()), std::move(sink));
}

bool Engine::cancel(RequestId id) {
  if (!scheduler_.cancel(id)) return false;
  if (!in_step_) end_cancelled();
  return true;
}

bool Engine::end_cancelled() {
  bool any = false;
  // One at a time: an event's receiver may cancel others.
  while (Sequence* sequence = scheduler_.find_cancelled()) {
    any = true;
    finish(*sequence, {.reason = FinishReason::cancelled});
  }
  return any;
}

void Engine::admit() {
  do {
    scheduler_.admit(Clock::now());
    in_step_ = true;  // a receiver that cancels must not take away what is walked through here
    for (const auto& sequence : scheduler_.running())
      if (!std::exchange(sequence->announced, true))
        sequence->sink(StartEvent{.usage = usage_of(*sequence), .choice = sequence->choice});
    in_step_ = false;
  } while (end_cancelled());
}

bool Engine::run_step() {
  check(!in_step_, "run_step was called from inside a step");
  admit();
  const Plan plan = scheduler_.plan(pace_.rows());
  check(!plan.step.slices.empty() || scheduler_.idle(), "sequences wait and none can run");
  if (plan.step.slices.empty()) return false;
  in_step_ = true;
  const auto begin = Clock::now();
  runner_.forward(plan.step);
  pace_.ran(plan.step.rows(), seconds(begin, Clock::now()));
  scheduler_.ran();
  for (size_t i = 0; i < plan.sampling.size(); ++i) {
    if (plan.sampling[i]->cancelled) continue;
    for (Sequence* const sequence : with_other_choices(*plan.sampling[i]))
      if (!sequence->cancelled) sample(*sequence, runner_.logits(i));
  }
  in_step_ = false;
  end_cancelled();
  return !scheduler_.idle();
}

void Engine::run() {
  while (run_step()) {
  }
}

void Engine::sample(Sequence& sequence, std::span<const float> logits) {
  auto mask = allowed(sequence);
  if (!mask) return fail(sequence, mask.error());
  auto token = sampler_.sample({.sampling = sequence.sampling,
                                .history = sequence.history,
                                .logits = logits,
                                .seed = sequence.seed,
                                .position = sequence.length(),
                                .mask = mask.value()});
  if (!token) return fail(sequence, {"the model gave no usable logits for the next token", ""});
  const int32_t id = token->id;
  sequence.tokens.push_back(id);
  if (sequence.sampling.penalised()) sequence.history.add_sampled(id);
  sequence.last_token = Clock::now();
  if (sequence.sampled() == 1) sequence.first_token = sequence.last_token;

  AnswerEvent event{.pieces = {}, .tokens = {}, .choice = sequence.choice};
  event.tokens.push_back(std::move(*token));
  const bool stop_id = is_stop_id(sequence, id);
  if (sequence.text.in_thought()) ++sequence.reasoning_tokens;
  std::optional<RequestError> error;
  if (!stop_id) error = read(sequence, id, event.pieces);
  send(sequence, std::move(event));
  if (error) {
    fail(sequence, std::move(*error));
  } else if (stop_id) {
    finish(sequence, {.reason = FinishReason::stop, .stop_id = id});
  } else if (sequence.text.ended() || sequence.guide.complete()) {
    finish(sequence, {.reason = FinishReason::stop});
  } else if (sequence.length() == sequence.limit) {
    finish(sequence, {.reason = FinishReason::length});
  }
}

Result<std::span<const uint32_t>> Engine::allowed(Sequence& sequence) {
  if (!sequence.guide.active()) return std::span<const uint32_t>();
  return sequence.guide.mask(
      {.in_thought = sequence.text.in_thought(), .reasoning_tokens = sequence.reasoning_tokens});
}

/// What the token adds to the answer, and where it leaves what guides it.
std::optional<RequestError> Engine::read(Sequence& sequence, int32_t id, std::vector<Piece>& pieces) {
  const bool thought = sequence.text.in_thought();
  sequence.text.push(id, pieces);
  // The marker that begins a thought is counted with it.
  if (!thought && sequence.text.in_thought()) ++sequence.reasoning_tokens;
  AnswerGuide& guide = sequence.guide;
  if (!guide.active() || sequence.text.ended()) return std::nullopt;
  const auto took = guide.took(
      id, {.in_thought = sequence.text.in_thought(), .reasoning_tokens = sequence.reasoning_tokens});
  if (!took) return took.error();
  if (!guide.waits_for_call()) return std::nullopt;
  const std::string call = sequence.text.open_call();
  if (call.empty() || call.size() > kLongestOpening) return std::nullopt;
  const auto ids = codec_->vocabulary()->encode(call, {.add_special = false, .parse_special = true});
  if (ids) guide.begin_call(ids.value());
  return std::nullopt;
}

bool Engine::is_stop_id(const Sequence& sequence, int32_t id) const {
  const auto has = [id](const std::vector<int32_t>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return has(sequence.limits.stop_ids) || (!sequence.limits.ignore_eos && has(stop_ids_));
}

void Engine::finish(Sequence& sequence, FinishEvent event) {
  const auto ended = scheduler_.remove(sequence.id);
  send_rest(*ended);
  event.stop = ended->text.stop_found();
  // What the detokenizer still held may have completed a stop string.
  if (!event.stop.empty() && event.reason == FinishReason::length) event.reason = FinishReason::stop;
  event.context_full = event.reason == FinishReason::length && ended->context_limits;
  event.choice = ended->choice;
  scheduler_.cache().ended(*ended);
  if (ended->prefix.comes_back && ended->prefix.remember) {
    const auto tokens = std::span<const int32_t>(ended->tokens);
    const auto answer = tokens.subspan(static_cast<size_t>(ended->prompt_tokens));
    seen_.add(ended->prefix.name_space, tokens.first(static_cast<size_t>(ended->prompt_tokens)),
              answer.first(answer.size() - (event.stop_id >= 0 ? 1 : 0)));
  }
  event.usage = usage_of(*ended);
  event.timings = timings_of(*ended);
  event.seed = ended->seed;
  ended->release();
  const auto others = std::move(ended->others);
  const Sink sink = std::move(ended->sink);
  sink(event);
  for (const auto& other : others) {  // which waited with it
    event.choice = other->choice;
    event.seed = other->seed;
    sink(event);
  }
}

void Engine::fail(Sequence& sequence, RequestError error) {
  const auto ended = scheduler_.remove(sequence.id);
  send_rest(*ended);
  ended->release();
  ended->remembered_tokens = std::max<int64_t>(0, ended->prefix.left - ended->cached_tokens);
  ended->sink(ErrorEvent{.error = std::move(error), .usage = usage_of(*ended), .choice = ended->choice});
}

Engine::Stats Engine::stats() const {
  return {.waiting = static_cast<int64_t>(scheduler_.waiting().size()),
          .running = static_cast<int64_t>(scheduler_.running().size()),
          .pages = pages_.pages(),
          .pages_held = pages_.held(),
          .pages_promised = pages_.promised(),
          .page_bytes = pages_.page_bytes(),
          .prefix = scheduler_.cache().stats()};
}

}  // namespace varve::engine

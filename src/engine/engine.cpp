#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "core/log.h"
#include "core/system_memory.h"
#include "ops/kv_layout.h"

namespace varve::engine {

static_assert(state::kPageTokens == ops::kPageTokens, "pages of the state are the kernels' pages");

namespace {

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Below 2^53, so that JSON carries it whole and it can be given back.
uint64_t fresh_seed() {
  std::random_device device;  // of this call: engines run on threads of their own, and it is not to be shared
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

Usage usage_of(const Sequence& sequence) {
  return {.prompt_tokens = sequence.prompt_tokens,
          .cached_tokens = sequence.cached_tokens,
          .completion_tokens = sequence.sampled()};
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
  text::syntax::append_piece(event.pieces, text::syntax::TextPiece{sequence.text.finish()});
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
      pages_(parts.model.state().page_bytes, memory.pages),
      slots_(parts.model.state().slot_bytes, memory.slots),
      scheduler_(options.memory.max_sequences, slots_),
      pace_(options.step_tokens, options.step_seconds),
      runner_(parts.model, parts.backend) {}

Result<std::vector<int32_t>> Engine::encode(const Request& request) const {
  std::vector<int32_t> ids;
  if (const auto* given = std::get_if<IdsPrompt>(&request.prompt)) {
    ids = given->ids;
  } else {
    if (!codec_) return RequestError{"this model has no tokenizer: give the prompt as token ids", "prompt"};
    auto encoded = codec_->encode(request.prompt);
    if (!encoded) return encoded.error();
    ids = std::move(encoded.value());
  }
  const int64_t vocab = model_.spec().vocab;
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab)
      return RequestError{fmt::format("the prompt names token {}; the model has {} tokens", id, vocab),
                          "prompt"};
  const auto count = static_cast<int64_t>(ids.size());
  if (count == 0) return RequestError{"the prompt is empty: an answer needs at least one token", "prompt"};
  if (count >= context_)
    return RequestError{
        fmt::format("the prompt has {} tokens; the context holds {}, the answer included", count, context_),
        "prompt"};
  return ids;
}

Result<Prepared> Engine::prepare(Request request) const {
  const int64_t vocab = model_.spec().vocab;
  if (auto error = refuse(request.sampling, vocab)) return *error;
  if (auto error = refuse(request.limits, vocab)) return *error;
  if (!codec_ && !request.limits.stop.empty())
    return RequestError{"this model has no tokenizer: stop strings cannot be found", "stop"};
  auto ids = encode(request);
  if (!ids) return ids.error();
  return Prepared{.request = std::move(request), .ids = std::move(ids.value())};
}

Result<RequestId> Engine::submit(Request request, Sink sink) {
  auto prepared = prepare(std::move(request));
  if (!prepared) return prepared.error();
  return submit(std::move(prepared.value()), std::move(sink));
}

RequestId Engine::submit(Prepared prepared, Sink sink) {
  Request& request = prepared.request;
  auto sequence = std::make_unique<Sequence>(pages_);
  sequence->id = ++last_id_;
  sequence->tokens = std::move(prepared.ids);
  sequence->prompt_tokens = sequence->length();
  const int64_t room = context_ - sequence->length();
  sequence->context_limits = !request.limits.max_tokens || *request.limits.max_tokens > room;
  sequence->limit = sequence->length() + (sequence->context_limits ? room : *request.limits.max_tokens);
  sequence->position_class = model_.position_class(sequence->limit);
  sequence->seed = request.sampling.seed ? *request.sampling.seed : fresh_seed();
  if (request.sampling.penalised()) sequence->history.add_prompt(sequence->tokens);
  if (codec_)
    sequence->text = AnswerText(codec_->decoder(request.prompt, sequence->tokens), request.limits.stop);
  sequence->sampling = std::move(request.sampling);
  sequence->limits = std::move(request.limits);
  sequence->stream = request.stream;
  sequence->keep = request.keep;
  sequence->resume = request.resume;
  sequence->unsent.choice = sequence->choice;
  sequence->sink = std::move(sink);
  sequence->submitted = prepared.submitted == Clock::time_point{} ? Clock::now() : prepared.submitted;
  scheduler_.enqueue(std::move(sequence));
  return last_id_;
}

bool Engine::cancel(RequestId id) {
  Sequence* sequence = scheduler_.find(id);
  if (!sequence || sequence->cancelled) return false;
  sequence->cancelled = true;
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
  for (size_t i = 0; i < plan.sampling.size(); ++i)
    if (!plan.sampling[i]->cancelled) sample(*plan.sampling[i], runner_.logits(i));
  in_step_ = false;
  end_cancelled();
  return !scheduler_.idle();
}

void Engine::run() {
  while (run_step()) {
  }
}

void Engine::sample(Sequence& sequence, std::span<const float> logits) {
  auto token = sampler_.sample({.sampling = sequence.sampling,
                                .history = sequence.history,
                                .logits = logits,
                                .seed = sequence.seed,
                                .position = sequence.length()});
  if (!token) return fail(sequence, {"the model gave no usable logits for the next token", ""});
  const int32_t id = token->id;
  sequence.tokens.push_back(id);
  if (sequence.sampling.penalised()) sequence.history.add_sampled(id);
  sequence.last_token = Clock::now();
  if (sequence.sampled() == 1) sequence.first_token = sequence.last_token;

  AnswerEvent event{.pieces = {}, .tokens = {}, .choice = sequence.choice};
  event.tokens.push_back(std::move(*token));
  const bool stop_id = is_stop_id(sequence, id);
  if (!stop_id) text::syntax::append_piece(event.pieces, text::syntax::TextPiece{sequence.text.push(id)});
  send(sequence, std::move(event));
  if (stop_id) {
    finish(sequence, {.reason = FinishReason::stop, .stop_id = id});
  } else if (!sequence.text.stop_found().empty()) {
    finish(sequence, {.reason = FinishReason::stop});
  } else if (sequence.length() == sequence.limit) {
    finish(sequence, {.reason = FinishReason::length});
  }
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
  event.usage = usage_of(*ended);
  event.timings = timings_of(*ended);
  event.seed = ended->seed;
  if (ended->keep) event.kept = scheduler_.kept().keep(*ended);
  ended->release();
  ended->sink(std::move(event));
}

void Engine::fail(Sequence& sequence, RequestError error) {
  const auto ended = scheduler_.remove(sequence.id);
  send_rest(*ended);
  ended->release();
  ended->sink(ErrorEvent{.error = std::move(error), .usage = usage_of(*ended), .choice = ended->choice});
}

Engine::Stats Engine::stats() const {
  return {.waiting = static_cast<int64_t>(scheduler_.waiting().size()),
          .running = static_cast<int64_t>(scheduler_.running().size()),
          .kept = scheduler_.kept().count(),
          .pages = pages_.pages(),
          .pages_held = pages_.held(),
          .pages_promised = pages_.promised(),
          .page_bytes = pages_.page_bytes()};
}

}  // namespace varve::engine

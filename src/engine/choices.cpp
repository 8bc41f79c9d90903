// Prepared -> Sequences: one per choice. The first computes the prompt; when its logits are there the others
// take over its pages and its recurrent state, and all of them choose from that one row.
#include <random>
#include <utility>

#include "engine/engine.h"

namespace varve::engine {

namespace {

/// Below 2^53, so that JSON carries it whole and it can be given back.
uint64_t fresh_seed() {
  std::random_device device;  // of this call: engines run on threads of their own, and it is not to be shared
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

AnswerText answer_text(const TextCodec& codec, const Prepared& prepared, const text::syntax::ToolSet& tools) {
  const AnswerForm& form = prepared.request.form;
  return {codec.decoder(prepared.request.prompt, prepared.ids, form.read),
          prepared.request.limits.stop,
          {.syntax = form.read ? codec.syntax() : nullptr,
           .tools = form.tools == AnswerForm::Tools::none ? nullptr : &tools,
           .in_thought = prepared.in_thought,
           .one_call = !form.parallel_tools}};
}

}  // namespace

std::unique_ptr<Sequence> Engine::make_choice(const Prepared& prepared, int32_t choice, uint64_t seed,
                                              AnswerGuide::Plan guide) {
  const Request& request = prepared.request;
  auto sequence = std::make_unique<Sequence>(pages_);
  sequence->id = ++last_id_;
  sequence->request = last_id_ - static_cast<RequestId>(choice);
  sequence->choice = choice;
  sequence->tokens = prepared.ids;
  sequence->prompt_tokens = sequence->length();
  const TokenLimit limit = token_limit(request, sequence->length());
  sequence->limit = limit.tokens;
  sequence->context_limits = limit.of_context;
  sequence->position_class = model_.position_class(sequence->limit);
  sequence->seed = seed + static_cast<uint64_t>(choice);
  if (request.sampling.penalised()) sequence->history.add_prompt(sequence->tokens);
  sequence->tools = std::make_unique<const text::syntax::ToolSet>(prepared.tools);
  sequence->guide = AnswerGuide(std::move(guide));
  if (codec_) sequence->text = answer_text(*codec_, prepared, *sequence->tools);
  sequence->sampling = request.sampling;
  sequence->limits = request.limits;
  sequence->stream = request.stream;
  sequence->prefix = {.root = PrefixCache::root(request.cache.name_space, sequence->position_class),
                      .remember = request.cache.remember,
                      .comes_back = std::holds_alternative<text::ChatInput>(request.prompt),
                      .name_space = request.cache.name_space,
                      .marks = prepared.marks};
  sequence->unsent.choice = choice;
  sequence->submitted = prepared.submitted == Clock::time_point{} ? Clock::now() : prepared.submitted;
  return sequence;
}

RequestId Engine::submit(Prepared prepared, Sink sink) {
  const Request& request = prepared.request;
  const uint64_t seed = request.sampling.seed ? *request.sampling.seed : fresh_seed();
  std::vector<AnswerGuide::Plan> guides;
  for (int32_t choice = 1; choice < request.choices; ++choice) guides.push_back(prepared.guide.fork());
  auto first = make_choice(prepared, 0, seed, std::move(prepared.guide));
  for (int32_t choice = 1; choice < request.choices; ++choice) {
    first->others.push_back(
        make_choice(prepared, choice, seed, std::move(guides[static_cast<size_t>(choice) - 1])));
    first->others.back()->sink = sink;
  }
  first->sink = std::move(sink);
  const RequestId id = first->request;
  scheduler_.enqueue(std::move(first));
  return id;
}

std::vector<Sequence*> Engine::with_other_choices(Sequence& first) {
  std::vector<Sequence*> all{&first};
  if (first.sampled() > 0) return all;
  for (const auto& other : scheduler_.running()) {
    if (other->first != &first) continue;
    other->first = nullptr;
    // What was set aside for this goes back, and is taken at once.
    other->pages.clear();
    auto pages = first.pages.fork(first.prompt_tokens, other->limit - 1);
    check(pages.has_value(), "a choice has no room for its pages");
    other->pages = std::move(*pages);
    other->prefix.left = first.prefix.left;
    if (first.slot.data()) {
      other->slot = {};
      auto slot = slots_.copy(first.slot);
      check(slot.has_value(), "a choice has no room for its state");
      other->slot = std::move(*slot);
    }
    all.push_back(other.get());
  }
  return all;
}

}  // namespace varve::engine

#include "http/openai_encoder.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "core/json.h"
#include "http/stream_frames.h"

namespace varve::http {

OpenaiEncoder::OpenaiEncoder(OpenaiForm form, const Words& words)
    : form_(std::move(form)),
      words_(words),
      id_(random_id(words.id_prefix)),
      created_(std::time(nullptr)),
      usage_(form_.prompt_of),
      progress_(std::max<size_t>(form_.prompt_of.size(), 1)) {}

void OpenaiEncoder::event(const engine::Event& event, std::string& out) {
  if (ended_) return;
  std::visit([&](const auto& one) { on(one, out); }, event);
}

void OpenaiEncoder::broken(const Failure& failure, std::string& out) {
  if (std::exchange(ended_, true)) return;
  status_ = failure.status;
  if (!form_.stream) {
    out += openai_error_body(failure);
    return;
  }
  append_frame(out, openai_error(failure));
  out += "data: [DONE]\n\n";
}

OpenaiEncoder::Progress* OpenaiEncoder::at(int32_t choice) {
  const auto place = static_cast<size_t>(choice);
  return place < progress_.size() && !progress_[place].ended ? &progress_[place] : nullptr;
}

void OpenaiEncoder::begin_once(Progress& progress, int32_t choice, std::string& out) {
  if (!std::exchange(progress.begun, true)) begin(static_cast<size_t>(choice), out);
}

void OpenaiEncoder::on(const engine::StartEvent& start, std::string& out) {
  Progress* progress = at(start.choice);
  if (!progress) return;
  usage_.set(start.choice, start.usage);
  begin_once(*progress, start.choice, out);
}

void OpenaiEncoder::on(const engine::AnswerEvent& answer, std::string& out) {
  Progress* progress = at(answer.choice);
  if (!progress) return;
  begin_once(*progress, answer.choice, out);
  engine::Usage usage = usage_.of(answer.choice);
  usage.completion_tokens += static_cast<int64_t>(answer.tokens.size());
  usage_.set(answer.choice, usage);
  add(static_cast<size_t>(answer.choice), answer, out);
}

void OpenaiEncoder::on(const engine::FinishEvent& finish_event, std::string& out) {
  Progress* progress = at(finish_event.choice);
  if (!progress) return;
  if (finish_event.reason == engine::FinishReason::cancelled)
    return broken({.status = 503, .message = "The answer was cancelled before it was complete."}, out);
  usage_.set(finish_event.choice, finish_event.usage);
  begin_once(*progress, finish_event.choice, out);
  finish(static_cast<size_t>(finish_event.choice), finish_event, out);
  progress->ended = true;
  if (std::all_of(progress_.begin(), progress_.end(), [](const Progress& one) { return one.ended; }))
    end(out);
}

void OpenaiEncoder::on(const engine::ErrorEvent& error, std::string& out) {
  broken({.status = error.error.field.empty() ? 500 : 400,
          .message = error.error.message,
          .field = error.error.field},
         out);
}

Table OpenaiEncoder::head(std::string_view object) const {
  Table out;
  out.set("id", Value(id_));
  out.set("object", Value(object));
  out.set("created", Value(created_));
  out.set("model", Value(form_.model));
  return out;
}

void OpenaiEncoder::send(size_t choice, Table members, std::string& out) const {
  Table numbered;
  numbered.set("index", Value(static_cast<int64_t>(choice)));
  for (auto& [name, value] : members) numbered.set(name, std::move(value));
  Table chunk = head(words_.chunk_object);
  chunk.set("choices", Value(Array{Value(std::move(numbered))}));
  if (form_.options.continuous)
    chunk.set("usage", openai_usage(usage_.total()));
  else if (form_.options.usage)
    chunk.set("usage", Value());
  append_frame(out, Value(std::move(chunk)));
}

void OpenaiEncoder::end(std::string& out) {
  ended_ = true;
  Table last = head(form_.stream ? words_.chunk_object : words_.object);
  Array choices;
  for (size_t i = 0; !form_.stream && i < progress_.size(); ++i) {
    Table numbered;
    numbered.set("index", Value(static_cast<int64_t>(i)));
    Value value = choice_value(i);
    for (auto& [name, member] : value.table()) numbered.set(name, std::move(member));
    choices.push_back(Value(std::move(numbered)));
  }
  last.set("choices", Value(std::move(choices)));
  last.set("usage", openai_usage(usage_.total()));
  if (!form_.stream) {
    out += json::dump(Value(std::move(last)));
    return;
  }
  if (form_.options.usage) append_frame(out, Value(std::move(last)));
  out += "data: [DONE]\n\n";
}

}  // namespace varve::http

#include "http/answer.h"

#include <algorithm>

#include "core/json.h"
#include "core/log.h"
#include "http/limits.h"

namespace varve::http {

namespace {

constexpr const char* kBug = "The server failed on this request. Its log says more.";

int32_t& choice_of(engine::Event& event) {
  return std::visit([](auto& one) -> int32_t& { return one.choice; }, event);
}

void add(engine::Usage& sum, const engine::Usage& usage, bool first_choice) {
  sum.completion_tokens += usage.completion_tokens;
  sum.reasoning_tokens += usage.reasoning_tokens;
  if (!first_choice) return;  // its choices share one prompt
  sum.prompt_tokens += usage.prompt_tokens;
  sum.cached_tokens += usage.cached_tokens;
  sum.remembered_tokens += usage.remembered_tokens;
}

}  // namespace

Result<Value> read_json_body(const HttpRequest& request) {
  if (request.body.empty()) return RequestError{"The request has no body; a JSON object is expected.", ""};
  Result<Value> body = json::parse(request.body, kBodyLimits);
  if (!body) return RequestError{"The body is not JSON as expected: " + body.error().message, ""};
  if (!body.value().is_table())
    return RequestError{"The body is not a JSON object but a " + std::string(body.value().kind_name()) + ".",
                        ""};
  return body;
}

Answer::~Answer() { check(ended() || !prepared_, "an answer ends before its requests do"); }

void Answer::work() {
  try {
    prepare();
  } catch (const std::bad_alloc&) {
    failure_ = Failure{.status = 503, .message = "The server is out of memory.", .retry_after = 5.0};
  } catch (const std::exception& error) {
    log::error(std::string("a request failed unexpectedly: ") + error.what());
    failure_ = Failure{.status = 500, .message = kBug};
  }
  parts_.exchange.post([this] { submit(); });
}

void Answer::prepare() {
  Result<Value> body = read_json_body(parts_.request);
  std::string().swap(parts_.request.body);
  if (!body) {
    failure_ = Failure{.status = 400, .message = body.error().message};
    return;
  }
  Result<Call> call = parts_.protocol.decode(body.value(), parts_.request.headers, parts_.serving.model);
  if (!call) {
    failure_ = refusal(call.error());
    return;
  }
  stream_ = call.value().stream;
  encoder_ = std::move(call.value().encoder);
  int32_t first = 0;
  for (engine::Request& request : call.value().requests) {
    const int32_t count = request.choices;
    // What one key's prompts left is nobody else's to find, not even by how fast an answer comes.
    request.cache.name_space = parts_.request.owner + request.cache.name_space;
    Result<engine::Prepared> prepared = parts_.serving.engine->prepare(std::move(request));
    if (!prepared) {
      failure_ = refusal(prepared.error());
      return;
    }
    ready_.push_back(std::move(prepared.value()));
    choices_.push_back({.first = first, .unfinished = count, .id = 0});
    first += count;
  }
  if (ready_.empty()) failure_ = Failure{.status = 400, .message = "The request asks for nothing."};
}

void Answer::submit() {
  prepared_ = true;
  if (gone_ || told_) return;
  if (failure_) return fail(*failure_);
  for (size_t i = 0; i < ready_.size(); ++i) {
    auto taken = parts_.serving.thread->submit(std::move(ready_[i]), [this, i](engine::Event event) {
      parts_.exchange.post([this, i, event = std::move(event)]() mutable { on_event(i, std::move(event)); });
    });
    if (const auto* busy = std::get_if<engine::Busy>(&taken)) {
      fail({.status = busy->stopping ? 503 : 429,
            .message = busy->message,
            .retry_after = std::max(busy->retry_after, 1.0)});
      cancel();
      break;
    }
    choices_[i].id = std::get<engine::RequestId>(taken);
    live_ += choices_[i].unfinished;
  }
  ready_.clear();
}

void Answer::on_event(size_t request, engine::Event event) {
  Choices& choices = choices_[request];
  const bool first_choice = choice_of(event) == 0;
  choice_of(event) += choices.first;
  const auto* finish = std::get_if<engine::FinishEvent>(&event);
  const auto* error = std::get_if<engine::ErrorEvent>(&event);
  if (finish || error) {
    --choices.unfinished;
    --live_;
    add(usage_, finish ? finish->usage : error->usage, first_choice);
    if (error && outcome_.empty()) outcome_ = "failed: " + error->error.message;
    if (finish && finish->reason == engine::FinishReason::cancelled && outcome_.empty())
      outcome_ = "cancelled";
  }
  if (silent()) return;
  try {
    // What fails before anything was said still has a status of its own.
    if (error && stream_ && !begun_)
      fail({.status = 500, .message = error->error.message, .field = error->error.field});
    else
      encode(event);
  } catch (const std::exception& failure) {
    log::error(std::string("an answer could not be written: ") + failure.what());
    break_off({.status = 500, .message = kBug});
  }
  if (told_) cancel();
}

void Answer::encode(const engine::Event& event) {
  if (!stream_) {
    encoder_->event(event, body_);
    if (live_ > 0) return;
    told_ = true;
    return parts_.exchange.reply({.status = encoder_->status(), .body = std::move(body_)});
  }
  std::string bytes;
  encoder_->event(event, bytes);
  begin_stream();
  parts_.exchange.write(bytes);
  if (live_ > 0) return;
  told_ = true;
  parts_.exchange.end();
}

void Answer::begin_stream() {
  if (std::exchange(begun_, true)) return;
  parts_.exchange.begin({.status = 200,
                         .body = {},
                         .content_type = "text/event-stream",
                         .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
}

void Answer::ping() {
  if (!prepared_ || !stream_ || silent()) return;
  begin_stream();
  parts_.exchange.write(encoder_->ping());
}

void Answer::fail(const Failure& failure) {
  told_ = true;
  parts_.exchange.reply(failure_reply(failure, parts_.protocol.error_body));
}

void Answer::gone() {
  if (std::exchange(gone_, true)) return;
  if (!told_) outcome_ = "client gone";
  cancel();
}

void Answer::break_off(const Failure& failure) {
  if (silent()) return;
  outcome_ = "ended early: " + failure.message;
  if (begun_) {
    std::string bytes;
    try {
      encoder_->broken(failure, bytes);
    } catch (const std::exception& error) {
      log::error(std::string("an answer could not be ended: ") + error.what());
    }
    told_ = true;
    parts_.exchange.write(bytes);
    parts_.exchange.end();
  } else {
    fail(failure);
  }
  cancel();
}

void Answer::cancel() {
  if (!prepared_) return;
  for (const Choices& choices : choices_)
    if (choices.id != 0 && choices.unfinished > 0) parts_.serving.thread->cancel(choices.id);
}

}  // namespace varve::http

#include "http/harness.h"

#include <fmt/format.h>

#include "core/json.h"

namespace varve::test {

namespace {

class TestEncoder final : public http::Encoder {
 public:
  TestEncoder(bool stream, int32_t choices, size_t pad)
      : stream_(stream), pad_(pad), lines_(static_cast<size_t>(choices)), left_(choices) {}

  void event(const engine::Event& event, std::string& out) override {
    if (const auto* start = std::get_if<engine::StartEvent>(&event)) {
      if (stream_) out += fmt::format("data: start {}\n\n", start->choice);
    } else if (const auto* answer = std::get_if<engine::AnswerEvent>(&event)) {
      for (const engine::SampledToken& token : answer->tokens) {
        if (stream_)
          out += fmt::format("data: token {} {}{}\n\n", answer->choice, token.id, std::string(pad_, ' '));
        lines_.at(static_cast<size_t>(answer->choice)) += fmt::format("{} ", token.id);
      }
    } else if (const auto* finish = std::get_if<engine::FinishEvent>(&event)) {
      if (stream_) out += fmt::format("data: end {} {}\n\n", finish->choice, name(finish->reason));
      end(out);
    } else {
      failed_ = true;
      if (stream_) out += "data: error\n\n";
      end(out);
    }
  }
  void broken(const http::Failure& failure, std::string& out) override {
    out += fmt::format("data: broken {}\n\n", failure.status);
  }
  int status() const override { return failed_ ? 500 : 200; }

 private:
  void end(std::string& out) {
    if (--left_ > 0) return;
    if (stream_) out += "data: done\n\n";
    if (stream_) return;
    for (const std::string& line : lines_) out += line + "\n";
  }
  bool stream_;
  size_t pad_;
  std::vector<std::string> lines_;
  int32_t left_;
  bool failed_ = false;
};

int64_t number_of(const Value& body, const char* name, int64_t otherwise) {
  const Value* value = body.find(name);
  return value && value->is_integer() ? value->integer() : otherwise;
}

Result<http::Call> decode(const Value& body, const http::Headers&, const http::ServedModel&) {
  if (body.find("unknown")) return RequestError{"unknown is no member", "unknown"};
  if (body.find("bug")) throw std::runtime_error("a bug in the protocol");
  http::Call call;
  const Value* stream = body.find("stream");
  call.stream = stream && stream->is_boolean() && stream->boolean();
  const auto choices = static_cast<int32_t>(number_of(body, "choices", 1));
  const int64_t requests = number_of(body, "requests", 1);
  for (int64_t i = 0; i < requests; ++i) {
    engine::Request request =
        greedy(random_prompt(static_cast<uint64_t>(i) + 1, number_of(body, "prompt", 5)),
               number_of(body, "max_tokens", 3));
    request.choices = choices;
    request.stream = call.stream;
    call.requests.push_back(std::move(request));
  }
  call.encoder = std::make_unique<TestEncoder>(call.stream, choices * static_cast<int32_t>(requests),
                                               static_cast<size_t>(number_of(body, "pad", 0)));
  return call;
}

std::string error_body(const http::Failure& failure) {
  return fmt::format("test error {} {}: {}", failure.status, failure.field, failure.message);
}

}  // namespace

void SlowModel::forward(const nn::Step& step, ops::Backend& backend, const Output& output) {
  const int64_t wait = step_microseconds + row_microseconds * step.rows();
  if (wait > 0) std::this_thread::sleep_for(std::chrono::microseconds(wait));
  model_.poison = poison;
  model_.forward(step, backend, output);
}

const std::vector<http::Route>& test_routes() {
  static const std::vector<http::Route> table = [] {
    std::vector<http::Route> all = http::routes();
    all.push_back({.method = "POST",
                   .path = "/ask",
                   .does = http::Protocol{.decode = decode, .error_body = error_body},
                   .error_body = error_body});
    return all;
  }();
  return table;
}

TestServer::TestServer(ServerSetup setup) : model_({.max_positions = setup.max_positions}) {
  auto made = engine::Engine::create(
      model_, no_backend(), nullptr,
      {.memory = {.cache_bytes = uint64_t{1} << 20, .max_sequences = setup.sequences}, .step_tokens = 32});
  if (!made) throw std::runtime_error(made.error().message);
  engine_ = std::move(made.value());
  thread_ = std::make_unique<engine::EngineThread>(*engine_, setup.queue);
  keys_.read({}, setup.keys);
  setup.options.log = [this](const http::RequestRecord& record) {
    const std::lock_guard lock(mutex_);
    log_.push_back(record);
  };
  server_ = std::make_unique<http::Server>(std::move(setup.options), keys_, test_routes());
  server_->start();
  if (setup.load) load();
}

TestServer::~TestServer() {
  server_->stop();
  server_->wait();
}

void TestServer::load() {
  load_over([&] { return ask(port(), "GET", "/health").status == 200; });
}

void TestServer::load_over(const std::function<bool()>& ready) {
  Table settings;
  settings.set("parallel", 4);
  server_->ready({.model = {.name = "fake", .context = engine_->context()},
                  .engine = engine_.get(),
                  .thread = thread_.get(),
                  .settings = std::move(settings)});
  if (!within(std::chrono::seconds(5), ready)) throw std::runtime_error("the server does not become ready");
}

std::vector<http::RequestRecord> TestServer::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

bool TestServer::nothing_is_held(std::chrono::milliseconds wait) {
  return within(wait, [&] {
    const engine::Metrics metrics = thread_->metrics();
    return thread_->unfinished() == 0 && metrics.engine.running == 0 && metrics.engine.waiting == 0 &&
           metrics.engine.pages_held == metrics.engine.prefix.pages && metrics.engine.pages_promised == 0 &&
           server_->counters().in_flight == 0;
  });
}

std::string question(int prompt, int max_tokens, bool stream, int choices, int requests) {
  return fmt::format(
      "{{\"prompt\": {}, \"max_tokens\": {}, \"stream\": {}, \"choices\": {}, \"requests\": {}}}", prompt,
      max_tokens, stream, choices, requests);
}

int count_of(const std::string& text, const std::string& word) {
  int count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++count;
  return count;
}

}  // namespace varve::test

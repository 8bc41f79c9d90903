// varve serve [MODEL]
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>

#include "commands.h"
#include "core/json.h"
#include "core/log.h"
#include "engine/engine_thread.h"
#include "engine/thinking.h"
#include "http/protocols.h"
#include "http/server.h"
#include "load.h"
#include "models.h"
#include "sampling_options.h"
#include "service_manager.h"
#include "signals.h"
#include "terminal.h"

namespace varve::app {

namespace {

constexpr const char* kThisMachine = "127.0.0.1";
constexpr int64_t kPort = 8080;
constexpr int kMostSeconds = 86400;

class Serve : public Command {
 public:
  About about() const override {
    return {.name = "serve",
            .summary = "Answer over HTTP, in the protocols that clients speak",
            .examples =
                "  varve serve                                     the default model on 127.0.0.1:8080\n"
                "  varve serve path/to/model.gguf --port 9000 --parallel 4\n"
                "  varve serve --host 0.0.0.0 --api-key-file keys.txt --tls-cert cert.pem --tls-key key.pem\n"
                "  VARVE_SERVE_PORT=9000 varve serve               every option is a variable, too\n"
                "  varve config                                    and stands in the config file"};
  }
  bool has_settings() const override { return true; }
  void declare(Options& options) override {
    model_.declare(options, false);
    declare_address(options);
    declare_work(options);
    sampling_.declare_numbers(options);
    options.flag("--log-requests", "One line per request on standard error; never what it says",
                 log_requests_);
    options.choice({"--log-format", "WORD", "text (default) or json: of these lines"}, {"text", "json"},
                   log_format_);
  }
  int run() override;

 private:
  void declare_address(Options& options);
  void declare_work(Options& options);
  void check_usage() const;
  void read_keys() { keys_.read(key_file_.value_or(""), key_variable()); }
  static std::string key_variable() {
    const char* keys = std::getenv("VARVE_API_KEYS");
    return keys ? keys : "";
  }
  http::ServerOptions server_options() const;
  void on_end(http::Server& server, int times);
  void reload() const;
  void warm_up(engine::Engine& engine, engine::EngineThread& thread) const;
  http::Serving serving(runtime::LoadedModel& model, engine::EngineThread& thread, const std::string& name);
  Table shown_settings() const;
  void tell_ready(const http::Server& server, const std::string& model) const;

  ModelOptions model_;
  SamplingOptions sampling_;
  std::optional<int64_t> port_ = kPort;
  std::optional<std::string> host_ = kThisMachine;
  std::optional<std::string> unix_, tls_cert_, tls_key_, key_file_, name_;
  std::vector<std::string> allow_hosts_, cors_origins_;
  bool insecure_ = false, log_requests_ = false;
  std::string log_format_ = "text";
  std::optional<int64_t> parallel_ = 16, cache_memory_, queue_requests_ = 256, queue_tokens_ = 1 << 20;
  std::optional<int64_t> max_connections_ = 512;
  std::optional<double> ping_seconds_ = 15.0, stop_seconds_ = 30.0;
  mutable http::ApiKeys keys_;
  std::atomic<bool> serving_{false};
};

void Serve::declare_address(Options& options) {
  options.text({"--host", "HOST", "The address or name to listen on (default 127.0.0.1: this machine alone)"},
               host_);
  options.integer({"--port", "N", "The port (default 8080); 0: one that is free"}, {0, 65535}, port_);
  options.text({"--unix", "PATH", "Listen on this Unix socket instead"}, unix_);
  options.text({"--tls-cert", "FILE", "A certificate with its chain, PEM: HTTPS"}, tls_cert_);
  options.text({"--tls-key", "FILE", "Its key, PEM"}, tls_key_);
  options.text({"--api-key-file", "FILE",
                "Keys that may ask, one a line; VARVE_API_KEYS holds more. SIGHUP reads the file again"},
               key_file_);
  options.flag("--insecure", "Listen on a public address without keys", insecure_);
  options.texts({"--allow-host", "NAME",
                 "Answer for this name in the Host header too; *.example.org, or * for any; may be repeated"},
                allow_hosts_);
  options.texts({"--cors-origin", "ORIGIN",
                 "Pages of this origin may ask (https://chat.example.org, or *); may be repeated"},
                cors_origins_);
  options.integer({"--max-connections", "N", "More at once are turned away (default 512)"}, {1, 1 << 20},
                  max_connections_);
}

void Serve::declare_work(Options& options) {
  options.text({"--name", "NAME", "What clients call the model; otherwise its card's name"}, name_);
  options.integer({"--parallel", "N", "Answers written at once (default 16)"}, {1, 1024}, parallel_);
  options.bytes({"--cache-memory", "BYTES",
                 "Memory for what was computed, as 512MB or 4GB; otherwise half the free memory"},
                {1 << 20, 1e15}, cache_memory_);
  options.integer({"--queue-requests", "N", "Requests that may wait (default 256); more get a 429"},
                  {0, 1 << 20}, queue_requests_);
  options.integer({"--queue-tokens", "N", "Tokens of their prompts together (default 1048576)"}, {1, 1 << 30},
                  queue_tokens_);
  options.integer({"--max-tokens", "N",
                   "Tokens of an answer where the request does not say; otherwise as "
                   "many as fit"},
                  {1, 1 << 30}, sampling_.max_tokens);
  options.number({"--ping-seconds", "S", "A stream is silent no longer (default 15)"},
                 {0, kMostSeconds, true}, ping_seconds_);
  options.number({"--shutdown-seconds", "S", "That running answers have when the server stops (default 30)"},
                 {0, kMostSeconds}, stop_seconds_);
}

void Serve::check_usage() const {
  sampling_.check();
  if (unix_ && (tls_cert_ || tls_key_)) throw UsageError("--unix and TLS exclude each other: it is local");
  if (unix_ && host_ != kThisMachine) throw UsageError("--unix and --host exclude each other");
  if (unix_ && port_ != kPort) throw UsageError("--unix and --port exclude each other");
  if (name_ && name_->empty()) throw UsageError("--name: the word is empty");
}

http::ServerOptions Serve::server_options() const {
  http::ServerOptions options{.host = *host_,
                              .port = static_cast<int>(*port_),
                              .unix_socket = unix_.value_or(""),
                              .tls_certificate = tls_cert_.value_or(""),
                              .tls_key = tls_key_.value_or(""),
                              .insecure = insecure_,
                              .rules = {.hosts = allow_hosts_, .origins = cors_origins_},
                              .stop_seconds = *stop_seconds_};
  options.limits.connections = *max_connections_;
  options.limits.ping =
      std::chrono::duration_cast<http::HttpLimits::Duration>(std::chrono::duration<double>(*ping_seconds_));
  const auto format = log_format_ == "json" ? http::LogFormat::json : http::LogFormat::text;
  if (log_requests_)
    options.log = [format](const http::RequestRecord& record) {
      tell("{}\n", http::log_line(record, format));
    };
  return options;
}

/// The first signal lets running answers end, the second does not.
void Serve::on_end(http::Server& server, int times) {
  constexpr int kEndedBySignal = 130;
  if (times > 1) std::_Exit(kEndedBySignal);
  notify_service_manager("STOPPING=1");
  server.stop();
  if (serving_) return tell("varve: stopping when the running answers have ended (once more: at once)\n");
  server.wait();  // and nobody waits for a model that is still loading
  std::_Exit(0);
}

void Serve::reload() const {
  try {
    keys_.read(key_file_.value_or(""), key_variable());
    tell("varve: {} API keys from now on\n", keys_.count());
  } catch (const LoadError& error) {
    tell("varve: the API keys stay as they were: {}\n", printable_lines(error.what()));
  }
}

/// The first step of a process is slow: it is not a client's.
void Serve::warm_up(engine::Engine& engine, engine::EngineThread& thread) const {
  engine::Request request{.prompt = engine::IdsPrompt{{0}}};
  request.sampling.temperature = 0.0;
  request.limits.max_tokens = 2;
  request.cache.remember = false;
  auto prepared = engine.prepare(std::move(request));
  if (!prepared)
    throw LoadError({.what = "the model does not answer: " + prepared.error().message,
                     .where = model_.model,
                     .expected = {},
                     .found = {},
                     .advice = {}});
  std::promise<std::string> ended;
  auto taken = thread.submit(std::move(prepared.value()), [&ended](const engine::Event& event) {
    if (std::holds_alternative<engine::FinishEvent>(event)) ended.set_value("");
    if (const auto* error = std::get_if<engine::ErrorEvent>(&event)) ended.set_value(error->error.message);
  });
  if (!std::holds_alternative<engine::RequestId>(taken)) return;  // it stops already
  if (const std::string problem = ended.get_future().get(); !problem.empty())
    throw LoadError({.what = "the model does not answer: " + problem,
                     .where = model_.model,
                     .expected = {},
                     .found = {},
                     .advice = {}});
}

Table Serve::shown_settings() const {
  Table table;
  table.set("precision", model_.precision);
  table.set("parallel", *parallel_);
  table.set("queue_requests", *queue_requests_);
  table.set("queue_tokens", *queue_tokens_);
  table.set("max_tokens", sampling_.max_tokens ? Value(*sampling_.max_tokens) : Value());
  table.set("max_connections", *max_connections_);
  return table;
}

http::Serving Serve::serving(runtime::LoadedModel& model, engine::EngineThread& thread,
                             const std::string& name) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  http::Serving serving{.model = {.name = name,
                                  .context = model.engine().context(),
                                  .created = std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                                  .text = model.has_text() ? &model.text() : nullptr,
                                  .sampling = sampling_.sampling(model.sampling_defaults()),
                                  .max_tokens = sampling_.max_tokens},
                        .engine = &model.engine(),
                        .thread = &thread,
                        .settings = shown_settings()};
  if (serving.model.text) {
    serving.model.chat = http::chat_traits(serving.model.text->templates());
    serving.model.chat.thinks = engine::thinks(serving.model.text->syntax()->choice);
  }
  Table sampling;
  sampling.set("temperature", serving.model.sampling.temperature);
  sampling.set("top_k", serving.model.sampling.top_k);
  sampling.set("top_p", serving.model.sampling.top_p);
  sampling.set("min_p", serving.model.sampling.min_p);
  serving.settings.set("sampling", Value(std::move(sampling)));
  serving.settings.set("threads", model.pool().threads());
  return serving;
}

/// What a client on this machine calls the server: no address stands for all of them.
std::string reachable(std::string address) {
  for (const char* any : {"//0.0.0.0:", "//[::]:"})
    if (const size_t at = address.find(any); at != std::string::npos)
      return address.replace(at, std::string_view(any).size(), "//localhost:");
  return address;
}

void Serve::tell_ready(const http::Server& server, const std::string& model) const {
  fmt::print("{} answers on {}\n", printable(model), printable(server.address()));
  const std::string base_url = reachable(server.address());
  if (!unix_)
    for (const http::ProtocolFile& protocol : http::protocols())
      for (const http::CopyLine& line :
           protocol.copy_lines({.base_url = base_url, .model = model, .needs_key = keys_.any()}))
        fmt::print("  {:<12} {}\n", line.where, printable(line.line));
  else
    fmt::print("  {:<12} curl --unix-socket {} http://localhost/health\n", "curl", printable(*unix_));
  std::fflush(stdout);
}

/// Waits for the server before what it answers with is gone, however that comes.
struct StopFirst {
  http::Server& server;
  ~StopFirst() {
    server.stop();
    server.wait();
  }
};

int Serve::run() {
  check_usage();
  read_keys();
  std::unique_ptr<http::Server> made;
  {
    const SignalMask mask;  // its threads take no signals
    made = std::make_unique<http::Server>(server_options(), keys_);
    made->start();
  }
  http::Server& server = *made;
  const store::Located located = locate_model(open_store(), model_.model);
  const SignalWatch watch([&](int times) { on_end(server, times); }, [this] { reload(); });
  const auto model = load_model(located, model_,
                                {.sequences = *parallel_,
                                 .cache_bytes = static_cast<uint64_t>(cache_memory_.value_or(0)),
                                 .cache_share = 0.5});
  if (!model->has_text())
    tell("{}\n", dim("This model has no tokenizer: it answers token ids alone, and most clients send text."));
  engine::EngineThread thread(model->engine(),
                              {.requests = *queue_requests_, .prompt_tokens = *queue_tokens_});
  const StopFirst stop_first{server};
  warm_up(model->engine(), thread);
  const std::string name = name_.value_or(located.name);
  server.ready(serving(*model, thread, name));
  serving_ = true;
  tell_ready(server, name);
  notify_service_manager("READY=1");
  server.wait();
  return 0;
}

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace varve::app

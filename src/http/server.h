#pragma once
// The HTTP server: listens, keeps connections within their limits, and answers by the route table. One thread
// moves bytes and encodes; a few workers parse, decode and tokenize; the engine has a thread of its own.
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/access_log.h"
#include "http/auth.h"
#include "http/limits.h"
#include "http/origins.h"
#include "http/route.h"
#include "http/service.h"

namespace varve::http {

struct ServerOptions {
  std::string host = "127.0.0.1";     // a name or an address; every address of a name is listened on
  int port = 8080;                    // 0: the system picks one
  std::filesystem::path unix_socket;  // instead of host and port, where it is given
  std::string tls_certificate;        // a PEM file; with tls_key
  std::string tls_key;
  bool insecure = false;  // without keys even where others reach it
  OriginRules rules;
  HttpLimits limits;
  double stop_seconds = 30.0;  // that running answers have when the server stops
  int workers = 2;
  std::function<void(const RequestRecord&)> log;  // called on the server's thread; may be empty
};

class Server {
 public:
  /// Listens. A LoadError when it cannot, or must not: a public address needs keys. `keys` and `table`
  /// outlive the server.
  Server(ServerOptions options, const ApiKeys& keys, const std::vector<Route>& table = routes());
  /// Waits as wait() does.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Answers from now on: /health says that the model is loading.
  void start();
  /// The model is there. What it points to outlives wait().
  void ready(Serving serving);
  /// Takes no new work; running answers end within stop_seconds, by themselves or with an error. Any thread.
  void stop();
  /// Until all connections are closed after stop(). Any thread.
  void wait();

  /// "http://127.0.0.1:8080", "https://[::1]:8080", "unix:/run/varve.sock".
  const std::string& address() const;
  int port() const;  // 0 for a Unix socket
  const HttpCounters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace varve::http

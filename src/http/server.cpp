#include "http/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <mutex>
#include <thread>

#include "core/log.h"
#include "http/connection.h"

namespace varve::http {

namespace {

using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;

constexpr int64_t kRefusedAtOnce = 64;              // connections beyond the limit that are still told so
constexpr auto kStopEnd = std::chrono::seconds(6);  // for the ends of answers to be read
constexpr auto kStopLook = std::chrono::milliseconds(10);

[[noreturn]] void refuse_listening(const std::string& what, const std::string& where,
                                   const std::string& found, const std::string& advice) {
  throw LoadError({.what = what, .where = where, .expected = {}, .found = found, .advice = advice});
}

[[noreturn]] void refuse_address(const std::string& where, const Error& error) {
  if (error == asio::error::address_in_use)
    refuse_listening("the address is in use", where, {},
                     "Another program listens there. Choose another --port, or end that program.");
  if (error == asio::error::access_denied)
    refuse_listening("the port may not be used", where, error.message(),
                     "Ports below 1024 are the system's: choose a --port above.");
  if (error == boost::system::errc::address_not_available)
    refuse_listening("this machine does not have that address", where, {},
                     "--host 127.0.0.1 serves this machine, --host 0.0.0.0 every network.");
  refuse_listening("cannot listen", where, error.message(), {});
}

std::string shown_host(const asio::ip::address& address) {
  return address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
}

/// The addresses of a name, each once.
std::vector<asio::ip::address> addresses_of(asio::io_context& io, const std::string& host) {
  Error error;
  const auto address = asio::ip::make_address(host, error);
  if (!error) return {address};
  std::vector<asio::ip::address> all;
  Tcp::resolver resolver(io);
  for (const auto& entry : resolver.resolve(host, "", error)) {
    const auto one = entry.endpoint().address();
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
  if (all.empty())
    refuse_listening("the name has no address", host, error.message(),
                     "--host 127.0.0.1 serves this machine.");
  return all;
}

/// Makes room for a Unix socket: one that nobody listens on is removed, anything else is not touched.
void remove_stale(asio::io_context& io, const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (!std::filesystem::exists(status)) return;
  if (status.type() != std::filesystem::file_type::socket)
    refuse_listening("there is a file in the socket's place", path.string(), {},
                     "Remove it, or choose another path for --unix.");
  Local::socket probe(io);
  Error connected;
  probe.connect(Local::endpoint(path.string()), connected);
  if (!connected || connected != asio::error::connection_refused)
    refuse_listening("another program listens on the socket", path.string(), {},
                     "Choose another path for --unix, or end that program.");
  std::filesystem::remove(path, error);
}

}  // namespace

struct Server::State {
  State(ServerOptions given, const ApiKeys& api_keys, const std::vector<Route>& table)
      : options(std::move(given)),
        keys(api_keys),
        workers(static_cast<size_t>(options.workers)),
        shared{.io = io,
               .workers = workers,
               .service = service,
               .keys = keys,
               .routes = table,
               .rules = options.rules,
               .limits = options.limits,
               .log = options.log} {}

  void listen();
  void listen_tcp();
  void listen_unix();
  void check_public(const std::vector<asio::ip::address>& addresses) const;
  template <class Acceptor>
  asio::awaitable<void> accept(Acceptor& acceptor);
  asio::awaitable<void> serve(Socket socket, std::string local_host);
  asio::awaitable<void> stop();
  void close_acceptors();

  ServerOptions options;
  const ApiKeys& keys;
  Service service;
  std::unique_ptr<Serving> serving;
  std::unique_ptr<Tls> tls;
  asio::io_context io{1};
  asio::thread_pool workers;
  std::list<Tcp::acceptor> tcp_acceptors;
  std::list<Local::acceptor> local_acceptors;
  struct stat socket_file {};
  Shared shared;
  std::string address;
  int port = 0;
  int64_t refused_now = 0;
  bool started = false;
  std::atomic<bool> stop_called{false};
  std::mutex waiting;  // several may wait, one joins
  std::thread thread;
};

void Server::State::check_public(const std::vector<asio::ip::address>& addresses) const {
  if (options.insecure || keys.any()) return;
  for (const auto& one : addresses)
    if (!one.is_loopback())
      refuse_listening(
          fmt::format("'{}' can be reached from other machines, and no API key is set", one.to_string()),
          "--host", {},
          "Give keys with --api-key-file or VARVE_API_KEYS, or say --insecure if everyone who "
          "reaches the address may use the model.");
}

void Server::State::listen_tcp() {
  const auto addresses = addresses_of(io, options.host);
  check_public(addresses);
  port = options.port;
  for (const auto& one : addresses) {
    const std::string where = fmt::format("{}:{}", shown_host(one), port);
    const Tcp::endpoint endpoint(one, static_cast<uint16_t>(port));
    Tcp::acceptor acceptor(io);
    Error error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error && one.is_v6() && addresses.size() > 1) acceptor.set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    // "localhost" may be an IPv6 address that the machine does not have; one that works is enough.
    const bool absent = error == boost::system::errc::address_not_available ||
                        error == boost::system::errc::address_family_not_supported;
    if (absent && addresses.size() > 1 && (!tcp_acceptors.empty() || &one != &addresses.back())) continue;
    if (error) refuse_address(where, error);
    port = acceptor.local_endpoint().port();
    if (address.empty()) address = fmt::format("{}://{}:{}", tls ? "https" : "http", shown_host(one), port);
    tcp_acceptors.push_back(std::move(acceptor));
  }
}

void Server::State::listen_unix() {
  const std::string path = options.unix_socket.string();
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    refuse_listening("the socket's path is too long", path, {},
                     fmt::format("The system takes {} bytes.", sizeof(sockaddr_un::sun_path) - 1));
  remove_stale(io, options.unix_socket);
  Local::acceptor acceptor(io);
  Error error;
  acceptor.open(Local(), error);
  // Before the file is there, so that nobody else can connect in between.
  if (!error && ::fchmod(acceptor.native_handle(), S_IRUSR | S_IWUSR) != 0)
    error = Error(errno, boost::system::system_category());
  if (!error) acceptor.bind(Local::endpoint(path), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) refuse_listening("cannot listen on the socket", path, error.message(), {});
  if (::stat(path.c_str(), &socket_file) != 0) socket_file = {};
  address = "unix:" + path;
  local_acceptors.push_back(std::move(acceptor));
}

void Server::State::listen() {
  if (const auto error = refuse(options.rules)) refuse_listening(error->message, "--" + error->field, {}, {});
  if (options.tls_certificate.empty() != options.tls_key.empty())
    refuse_listening("TLS needs both a certificate and its key",
                     options.tls_key.empty() ? "--tls-key" : "--tls-cert", {},
                     "Give --tls-cert FILE and --tls-key FILE.");
  if (!options.tls_certificate.empty()) tls = std::make_unique<Tls>(options.tls_certificate, options.tls_key);
  if (options.unix_socket.empty())
    listen_tcp();
  else
    listen_unix();
}

template <class Acceptor>
asio::awaitable<void> Server::State::accept(Acceptor& acceptor) {
  asio::steady_timer pause(io);
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted || !acceptor.is_open()) break;
    if (error) {  // out of file descriptors: those of connections that end come back
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    std::string local_host;
    if constexpr (std::is_same_v<Acceptor, Tcp::acceptor>) {
      Error ignored;
      socket.set_option(Tcp::no_delay(true), ignored);
      auto local = socket.local_endpoint(ignored).address();
      if (local.is_v6() && local.to_v6().is_v4_mapped())
        local = asio::ip::make_address_v4(asio::ip::v4_mapped, local.to_v6());
      local_host = local.to_string();
    }
    asio::co_spawn(io, serve(Socket(std::move(socket)), std::move(local_host)), asio::detached);
  }
}

asio::awaitable<void> Server::State::serve(Socket socket, std::string local_host) {
  HttpCounters& counters = service.counters();
  ++counters.connections_total;
  const bool refused = counters.connections >= options.limits.connections;
  if (refused) {
    ++counters.connections_refused;
    if (refused_now >= kRefusedAtOnce) co_return;
    ++refused_now;
  } else {
    ++counters.connections;
  }
  {
    Connection connection(shared, make_wire(std::move(socket), tls.get()),
                          {.local_host = std::move(local_host), .tls = tls != nullptr, .refused = refused});
    co_await connection.run();
  }
  if (refused)
    --refused_now;
  else
    --counters.connections;
}

asio::awaitable<void> Server::State::stop() {
  using Clock = std::chrono::steady_clock;
  service.stopping();
  if (serving) serving->thread->stop_taking();
  asio::steady_timer pause(io);
  const auto wait_until = [&](auto done, Clock::time_point deadline) -> asio::awaitable<void> {
    while (!done() && Clock::now() < deadline) {
      pause.expires_after(kStopLook);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  };
  const auto idle = [&] { return service.counters().in_flight == 0; };
  const auto empty = [&] { return shared.connections.empty(); };
  for (Connection* connection : shared.connections) connection->stop();
  const auto grace = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::max(options.stop_seconds, 0.0)));
  co_await wait_until(idle, Clock::now() + grace);
  for (Connection* connection : shared.connections) connection->break_off();
  co_await wait_until(empty, Clock::now() + kStopEnd);
  for (Connection* connection : shared.connections) connection->abort();
  co_await wait_until(empty, Clock::time_point::max());
  close_acceptors();
}

void Server::State::close_acceptors() {
  Error ignored;
  for (auto& acceptor : tcp_acceptors) acceptor.close(ignored);
  for (auto& acceptor : local_acceptors) acceptor.close(ignored);
  struct stat now {};
  const bool ours = !options.unix_socket.empty() && ::stat(options.unix_socket.c_str(), &now) == 0 &&
                    now.st_ino == socket_file.st_ino && now.st_dev == socket_file.st_dev;
  if (ours) ::unlink(options.unix_socket.c_str());
}

Server::Server(ServerOptions options, const ApiKeys& keys, const std::vector<Route>& table)
    : state_(std::make_unique<State>(std::move(options), keys, table)) {
  state_->listen();
}

Server::~Server() {
  if (!state_->started) {
    state_->close_acceptors();
    return;
  }
  stop();
  wait();
}

void Server::start() {
  State& state = *state_;
  check(!std::exchange(state.started, true), "a server starts once");
  for (auto& acceptor : state.tcp_acceptors) asio::co_spawn(state.io, state.accept(acceptor), asio::detached);
  for (auto& acceptor : state.local_acceptors)
    asio::co_spawn(state.io, state.accept(acceptor), asio::detached);
  state.thread = std::thread([&state] {
    for (;;) {
      try {
        state.io.run();
        return;
      } catch (const std::exception& error) {
        log::error(std::string("the server failed unexpectedly: ") + error.what());
      }
    }
  });
}

void Server::ready(Serving serving) {
  State& state = *state_;
  asio::post(state.io, [&state, serving = std::move(serving)]() mutable {
    state.serving = std::make_unique<Serving>(std::move(serving));
    if (state.service.phase() == Phase::stopping) state.serving->thread->stop_taking();
    state.service.ready(state.serving.get());
  });
}

void Server::stop() {
  if (state_->stop_called.exchange(true)) return;
  asio::co_spawn(state_->io, state_->stop(), asio::detached);
}

void Server::wait() {
  const std::lock_guard lock(state_->waiting);
  if (state_->thread.joinable()) state_->thread.join();
}

const std::string& Server::address() const { return state_->address; }
int Server::port() const { return state_->port; }
const HttpCounters& Server::counters() const { return state_->service.counters(); }

}  // namespace varve::http

// The ends of a server, and its other sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "core/file.h"
#include "http/harness.h"
#include "support/data.h"
#include "support/errors.h"

namespace varve::http {
namespace {

using std::chrono::milliseconds;
using test::ask;
using test::count_of;
using test::HttpClient;
using test::question;
using test::request_text;
using test::Response;
using test::ServerSetup;
using test::TestServer;
using testing::EndsWith;
using testing::HasSubstr;

TEST(Stop, RunningAnswersEndByThemselves) {
  TestServer server;
  server.model().step_microseconds = 5'000;
  HttpClient stream(server.port()), whole(server.port()), idle(server.port());
  ASSERT_TRUE(idle.send(request_text("GET", "/health")));
  EXPECT_EQ(idle.response().status, 200);
  ASSERT_TRUE(stream.send(request_text("POST", "/ask", question(5, 100, true))));
  ASSERT_TRUE(whole.send(request_text("POST", "/ask", question(5, 100, false))));
  ASSERT_TRUE(stream.read_until("data: token"));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.running == 2; }));
  server.server().stop();
  EXPECT_TRUE(idle.ended(milliseconds(2000)));
  const Response health = ask(server.port(), "GET", "/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_EQ(health.body, R"({"status":"stopping"})");
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 3, false)).status, 503);
  const Response streamed = stream.response();
  EXPECT_EQ(count_of(streamed.body, "data: token"), 100);
  EXPECT_THAT(streamed.body, EndsWith("data: done\n\n"));
  EXPECT_EQ(count_of(whole.response().body, " "), 100);
  server.server().wait();
  EXPECT_FALSE(HttpClient(server.port()).connected());
}

TEST(Stop, IsWaitedForBySeveralThreads) {
  TestServer server;
  std::vector<std::thread> waiting;
  for (int i = 0; i < 4; ++i) waiting.emplace_back([&] { server.server().wait(); });
  server.server().stop();
  for (std::thread& one : waiting) one.join();
  EXPECT_FALSE(HttpClient(server.port()).connected());
}

TEST(Stop, EndsWhatTakesTooLong) {
  ServerSetup setup{.sequences = 2};
  setup.options.stop_seconds = 0.2;
  TestServer server(std::move(setup));
  server.model().step_microseconds = 20'000;
  HttpClient stream(server.port()), whole(server.port()), waiting(server.port());
  ASSERT_TRUE(stream.send(request_text("POST", "/ask", question(5, 500, true))));
  ASSERT_TRUE(whole.send(request_text("POST", "/ask", question(5, 500, false))));
  ASSERT_TRUE(stream.read_until("data: token"));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.running == 2; }));
  ASSERT_TRUE(waiting.send(request_text("POST", "/ask", question(5, 500, true))));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.waiting == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server.server().stop();
  const Response streamed = stream.response();
  EXPECT_TRUE(streamed.whole);
  EXPECT_THAT(streamed.body, EndsWith("data: broken 503\n\n"));
  EXPECT_EQ(count_of(streamed.body, "data: done"), 0);
  EXPECT_EQ(whole.response().status, 503);
  EXPECT_EQ(waiting.response().status, 503);
  server.server().wait();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(4000));
  EXPECT_EQ(server.thread().unfinished(), 0);
}

TEST(Stop, BeforeTheModelIsThere) {
  TestServer server({.load = false});
  HttpClient silent(server.port());
  server.server().stop();
  server.server().wait();
  EXPECT_TRUE(silent.ended());
}

TEST(Stop, ASilentClientHoldsNothingUp) {
  TestServer server;
  HttpClient half(server.port());
  ASSERT_TRUE(half.send("POST /ask HTTP/1.1\r\nHost: localhost\r\n"));
  ASSERT_TRUE(test::within(milliseconds(2000), [&] { return server.server().counters().connections == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server.server().stop();
  server.server().wait();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(9000));
}

TEST(UnixSocket, IsForItsOwnerAlone) {
  const auto path = test::scratch_dir() / "varve.sock";
  {
    ServerSetup setup{.load = false};
    setup.options.unix_socket = path;
    TestServer server(std::move(setup));
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    HttpClient client(path);
    ASSERT_TRUE(client.send(request_text("GET", "/health", "", "Host: whatever.example\r\n")));
    EXPECT_EQ(client.response().body, R"({"status":"loading"})");
    EXPECT_EQ(server.server().address(), "unix:" + path.string());

    // Somebody listens: it stays theirs.
    ServerOptions second;
    second.unix_socket = path;
    const ApiKeys none;
    EXPECT_THAT(test::error_of([&] { const Server other(second, none); }),
                HasSubstr("another program listens"));
    ASSERT_TRUE(client.send(request_text("GET", "/health")));
    EXPECT_EQ(client.response().status, 503);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixSocket, AStaleOneIsReplacedAndAFileIsNot) {
  const auto path = test::scratch_dir() / "varve.sock";
  ServerOptions options;
  options.unix_socket = path;
  const ApiKeys none;
  // As a server that was killed leaves it.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(socket);
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(test::error_of([&] { const Server server(options, none); }), "");
  EXPECT_FALSE(std::filesystem::exists(path));

  write_text(path, "precious");
  EXPECT_THAT(test::error_of([&] { const Server server(options, none); }),
              HasSubstr("a file in the socket's place"));
  EXPECT_EQ(read_text(path, 100), "precious");
  options.unix_socket = "/tmp/" + std::string(200, 'x');
  EXPECT_THAT(test::error_of([&] { const Server server(options, none); }), HasSubstr("too long"));
}

struct Certificate {
  std::filesystem::path certificate, key;
};

Certificate make_certificate() {
  const auto dir = test::scratch_dir();
  const Certificate made{.certificate = dir / "cert.pem", .key = dir / "key.pem"};
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
      "-addext subjectAltName=DNS:localhost -keyout " +
      made.key.string() + " -out " + made.certificate.string() + " 2>/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
  return made;
}

TEST(TlsServer, AnswersOnlyUnderTls) {
  const Certificate made = make_certificate();
  ServerSetup setup{.load = false};
  setup.options.tls_certificate = made.certificate;
  setup.options.tls_key = made.key;
  setup.options.limits.header_time = milliseconds(500);
  TestServer server(std::move(setup));
  EXPECT_THAT(server.server().address(), testing::StartsWith("https://127.0.0.1:"));
  {
    HttpClient client(server.port(), made.certificate);
    ASSERT_TRUE(client.connected());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(client.send(request_text("GET", "/health")));
      EXPECT_EQ(client.response().body, R"({"status":"loading"})");
    }
    ASSERT_TRUE(client.send(request_text("GET", "/health", "", "Connection: close\r\n")));
    EXPECT_EQ(client.response().status, 503);
    EXPECT_TRUE(client.ended());
  }
  HttpClient bare(server.port());
  ASSERT_TRUE(bare.send(request_text("GET", "/health")));
  EXPECT_EQ(bare.response().status, 0);
  HttpClient silent(server.port());  // no handshake
  EXPECT_TRUE(silent.ended(milliseconds(3000)));
  // Another certificate is not believed.
  HttpClient other(server.port(), make_certificate().certificate);
  EXPECT_FALSE(other.connected());
}

TEST(TlsServer, StreamsAndSeesClientsLeave) {
  const Certificate made = make_certificate();
  ServerSetup setup{.load = false};
  setup.options.tls_certificate = made.certificate;
  setup.options.tls_key = made.key;
  TestServer server(std::move(setup));
  server.load_over([&] {
    HttpClient client(server.port(), made.certificate);
    client.send(request_text("GET", "/health"));
    return client.response().status == 200;
  });
  HttpClient client(server.port(), made.certificate);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(request_text("POST", "/ask", question(5, 50, true))));
    const Response response = client.response();
    EXPECT_EQ(count_of(response.body, "data: token"), 50);
    EXPECT_THAT(response.body, EndsWith("data: done\n\n"));
  }
  server.model().step_microseconds = 10'000;
  for (const bool reset : {true, false}) {
    HttpClient leaving(server.port(), made.certificate);
    ASSERT_TRUE(leaving.send(request_text("POST", "/ask", question(5, 400, true))));
    ASSERT_TRUE(leaving.read_until("data: token"));
    leaving.leave(reset);
    EXPECT_TRUE(server.nothing_is_held(milliseconds(250)));
  }
}

TEST(TlsServer, NamesTheFileThatIsWrong) {
  const Certificate one = make_certificate(), other = make_certificate();
  const ApiKeys none;
  const auto error_of = [&](const std::string& certificate, const std::string& key) {
    return test::error_of(
        [&] { const Server server({.port = 0, .tls_certificate = certificate, .tls_key = key}, none); });
  };
  EXPECT_EQ(error_of(one.certificate, one.key), "");
  EXPECT_THAT(error_of(one.key, one.key), HasSubstr("the certificate cannot be used"));
  EXPECT_THAT(error_of(one.certificate, other.key), HasSubstr(other.key.string()));
  EXPECT_THAT(error_of(one.certificate, one.certificate), HasSubstr("--tls-key"));
}

}  // namespace
}  // namespace varve::http

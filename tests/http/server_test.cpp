// HTTP itself: what is answered to well-formed requests, and to all others; the limits.
#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/harness.h"
#include "support/data.h"
#include "support/errors.h"

namespace varve::http {
namespace {

using std::chrono::milliseconds;
using test::ask;
using test::HttpClient;
using test::question;
using test::request_text;
using test::Response;
using test::ServerSetup;
using test::TestServer;
using testing::HasSubstr;

TEST(Server, SaysWhetherItIsReady) {
  TestServer server({.load = false});
  Response response = ask(server.port(), "GET", "/health");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, R"({"status":"loading"})");
  response = ask(server.port(), "POST", "/ask", question(5, 3, false));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers["retry-after"], "1");
  EXPECT_THAT(response.body, HasSubstr("test error 503"));
  server.load();
  response = ask(server.port(), "GET", "/health");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"status":"ok"})");
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 3, false)).status, 200);
}

TEST(Server, KeepsTheConnection) {
  TestServer server;
  HttpClient client(server.port());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client.send(request_text("GET", "/health")));
    EXPECT_EQ(client.response().status, 200);
    ASSERT_TRUE(client.send(request_text("POST", "/ask", question(5, 3, i % 2 == 0))));
    const Response answer = client.response();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.whole);
  }
  ASSERT_TRUE(client.send(request_text("GET", "/health", "", "Connection: close\r\n")));
  Response last = client.response();
  EXPECT_EQ(last.headers["connection"], "close");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(server.server().counters().connections_total, 2);  // one asked whether it is ready
}

TEST(Server, AnswersPipelinedRequestsInTurn) {
  TestServer server;
  HttpClient client(server.port());
  ASSERT_TRUE(client.send(request_text("POST", "/ask", question(5, 3, true)) +
                          request_text("POST", "/ask", question(9, 2, false)) +
                          request_text("GET", "/health")));
  const Response first = client.response(), second = client.response(), third = client.response();
  EXPECT_EQ(test::count_of(first.body, "data: token"), 3);
  EXPECT_THAT(first.body, testing::EndsWith("data: done\n\n"));
  EXPECT_EQ(test::count_of(second.body, " "), 2);
  EXPECT_EQ(third.body, R"({"status":"ok"})");
}

TEST(Server, SpeaksHttp10) {
  TestServer server;
  HttpClient client(server.port());
  ASSERT_TRUE(client.send("GET /health HTTP/1.0\r\n\r\n"));
  Response response = client.response();
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.whole);
  EXPECT_TRUE(client.ended());

  HttpClient kept(server.port());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(kept.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    response = kept.response();
    EXPECT_EQ(response.headers["connection"], "keep-alive");
  }
  // A stream cannot be told in chunks: it ends with the connection.
  const std::string body = question(5, 4, true);
  ASSERT_TRUE(kept.send("POST /ask HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body));
  response = kept.response();
  EXPECT_EQ(response.headers.count("transfer-encoding"), 0U);
  EXPECT_EQ(response.headers.count("content-length"), 0U);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(test::count_of(response.body, "data: token"), 4);
  EXPECT_THAT(response.body, testing::EndsWith("data: done\n\n"));
}

TEST(Server, AnswersHeadAndOptions) {
  TestServer server;
  HttpClient client(server.port());
  ASSERT_TRUE(client.send(request_text("HEAD", "/health")));
  Response response = client.response(milliseconds(5000), true);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["content-length"], "15");
  ASSERT_TRUE(client.send(request_text("OPTIONS", "/ask")));
  response = client.response();
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers["allow"], "POST, OPTIONS");
  ASSERT_TRUE(client.send(request_text("OPTIONS", "*")));
  EXPECT_EQ(client.response().status, 204);
  ASSERT_TRUE(client.send(request_text("HEAD", "/ask")));
  EXPECT_EQ(client.response(milliseconds(5000), true).status, 405);
}

TEST(Server, NamesTheNearestRouteAndTheMethods) {
  TestServer server;
  Response response = ask(server.port(), "GET", "/healt");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("Did you mean /health?"));
  response = ask(server.port(), "GET", "/v1/tokenize");
  EXPECT_THAT(response.body, HasSubstr("Did you mean /tokenize?"));
  EXPECT_EQ(ask(server.port(), "GET", "/%00").status, 400);
  EXPECT_EQ(ask(server.port(), "GET", "/nothing%1b%5b31m").body.find('\x1b'), std::string::npos);
  response = ask(server.port(), "DELETE", "/health");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers["allow"], "GET, HEAD, OPTIONS");
  response = ask(server.port(), "GET", "/ask");
  EXPECT_EQ(response.status, 405);
  EXPECT_THAT(response.body, HasSubstr("test error 405"));  // in the protocol's words
}

TEST(Server, RefusesWhatIsNoHttp) {
  TestServer server;
  const std::string host = "Host: localhost\r\n";
  for (const std::string& wrong : std::vector<std::string>{
           "nonsense\r\n\r\n", "GET /health\r\n\r\n", "GET  /health HTTP/1.1\r\n" + host + "\r\n",
           "GET /health HTTP/1.1\r\nHost localhost\r\n\r\n", "GET /health HTTP/1.1\n" + host + "\n\n",
           "GET /health HTTP/1.1\r\n" + host + " folded: no\r\n: empty\r\n\r\n",
           "GET health HTTP/1.1\r\n" + host + "\r\n", "GET /%zz HTTP/1.1\r\n" + host + "\r\n",
           "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\n" + host + host + "\r\n",
           "POST /ask HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
           "POST /ask HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n{}",
           "POST /ask HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n{}",
           "POST /ask HTTP/1.1\r\n" + host +
               "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST /ask HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
           std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n", 28)}) {
    HttpClient client(server.port());
    ASSERT_TRUE(client.send(wrong));
    const Response response = client.response();
    EXPECT_TRUE(response.status == 400 || response.status == 413 || response.status == 505)

        << wrong << response.status << response.body;
    EXPECT_TRUE(client.ended()) << wrong;
  }
  HttpClient old(server.port());
  ASSERT_TRUE(old.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  EXPECT_EQ(old.response().status, 505);
  EXPECT_EQ(ask(server.port(), "GET", "/health").status, 200);
}

TEST(Server, RefusesWhatItWouldHaveToIgnore) {
  TestServer server;
  for (const char* coding : {"xchunked", "gzip", "identity", "chunked, gzip", "chunked, chunked"}) {
    // What follows must not be taken for a request of its own.
    HttpClient client(server.port());
    ASSERT_TRUE(client.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " +
                            std::string(coding) + "\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    const int status = client.response().status;
    EXPECT_TRUE(status == 501 || status == 400) << coding << status;
    EXPECT_TRUE(client.ended()) << coding;
  }
  EXPECT_EQ(ask(server.port(), "POST", "/ask", "zipped", "Content-Encoding: gzip\r\n").status, 415);
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 1, false), "Expect: a-miracle\r\n").status, 417);
}

TEST(Server, TakesAChunkedBody) {
  TestServer server;
  HttpClient client(server.port());
  const std::string body = question(5, 3, false);
  std::string chunks;
  for (const char c : body) chunks += std::string("1;a=b\r\n") + c + "\r\n";
  ASSERT_TRUE(client.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
                          chunks + "0\r\nTrailer: x\r\n\r\n"));
  EXPECT_EQ(client.response().status, 200);
  ASSERT_TRUE(client.send(request_text("GET", "/health")));
  EXPECT_EQ(client.response().status, 200);
}

TEST(Server, AsksForTheBodyWhereItIsExpected) {
  TestServer server;
  HttpClient client(server.port());
  const std::string body = question(5, 3, false);
  ASSERT_TRUE(
      client.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n"));
  EXPECT_EQ(client.response().status, 100);
  ASSERT_TRUE(client.send(body));
  EXPECT_EQ(client.response().status, 200);
  // And not where it will not be read.
  HttpClient other(server.port());
  ASSERT_TRUE(
      other.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                 "Content-Length: 10\r\n\r\n"));
  EXPECT_EQ(other.response().status, 404);
  EXPECT_TRUE(other.ended());
}

TEST(Server, NamesEveryRequest) {
  TestServer server;
  Response own = ask(server.port(), "GET", "/health");
  EXPECT_THAT(own.headers["x-request-id"], testing::StartsWith("req_"));
  Response given = ask(server.port(), "GET", "/health", "", "X-Request-Id: my-1\r\n");
  EXPECT_EQ(given.headers["x-request-id"], "my-1");
  Response wild = ask(server.port(), "GET", "/health", "", "X-Request-Id: a b\"c\r\n");
  EXPECT_THAT(wild.headers["x-request-id"], testing::StartsWith("req_"));
}

TEST(ServerLimits, HeadersAndBodies) {
  ServerSetup setup;
  setup.options.limits.body_bytes = 10'000;
  TestServer server(std::move(setup));
  Response response = ask(server.port(), "GET", "/health", "", "X: " + std::string(40'000, 'x') + "\r\n");
  EXPECT_EQ(response.status, 431);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "a" + std::to_string(i) + ": b\r\n";
  EXPECT_EQ(ask(server.port(), "GET", "/health", "", many).status, 431);
  EXPECT_EQ(ask(server.port(), "GET", "/" + std::string(50'000, 'x')).status, 431);
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 3, false) + std::string(9'000, ' ')).status, 200);

  // Too long by its head: refused before a byte of it is read.
  HttpClient announced(server.port());
  ASSERT_TRUE(announced.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10001\r\n\r\n"));
  EXPECT_EQ(announced.response().status, 413);
  EXPECT_TRUE(announced.ended());
  // By what comes.
  HttpClient chunked(server.port());
  ASSERT_TRUE(chunked.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
  chunked.send("1f40\r\n" + std::string(8000, ' ') + "\r\n1f40\r\n" + std::string(8000, ' ') + "\r\n");
  EXPECT_EQ(chunked.response().status, 413);
}

TEST(ServerLimits, AllBodiesTogether) {
  ServerSetup setup;
  setup.options.limits.bodies_bytes = 20'000;
  TestServer server(std::move(setup));
  HttpClient one(server.port());
  ASSERT_TRUE(one.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18000\r\n\r\n" +
                       std::string(15'000, ' ')));
  ASSERT_TRUE(test::within(milliseconds(5000), [&] { return server.server().counters().in_flight == 1; }));
  std::this_thread::sleep_for(milliseconds(100));
  const Response other = ask(server.port(), "POST", "/ask", question(5, 3, false) + std::string(9'000, ' '));
  EXPECT_EQ(other.status, 503);
  one.leave();
  EXPECT_TRUE(server.nothing_is_held(milliseconds(5000)));
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 3, false) + std::string(9'000, ' ')).status, 200);
}

TEST(ServerLimits, SlowHeaders) {
  ServerSetup setup;
  setup.options.limits.header_time = milliseconds(300);
  setup.options.limits.idle_time = milliseconds(300);
  TestServer server(std::move(setup));
  HttpClient silent(server.port());
  EXPECT_TRUE(silent.ended(milliseconds(3000)));

  HttpClient slow(server.port());
  const std::string text = request_text("GET", "/health", "", "X: " + std::string(1000, 'x') + "\r\n");
  const auto begin = std::chrono::steady_clock::now();
  for (const char c : text) {
    if (!slow.send(std::string(1, c)) || std::chrono::steady_clock::now() - begin > milliseconds(500)) break;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(slow.response().status, 408);
  EXPECT_TRUE(slow.ended());

  HttpClient idle(server.port());
  ASSERT_TRUE(idle.send(request_text("GET", "/health")));
  EXPECT_EQ(idle.response().status, 200);
  EXPECT_EQ(idle.response(milliseconds(3000)).status, 0);  // closed without a word
}

TEST(ServerLimits, SlowBodies) {
  ServerSetup setup;
  setup.options.limits.header_time = milliseconds(300);
  setup.options.limits.body_bytes_per_second = 10'000;
  TestServer server(std::move(setup));
  HttpClient slow(server.port());
  ASSERT_TRUE(slow.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"));
  for (int i = 0; i < 100 && slow.send(" "); ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(slow.response().status, 408);
  EXPECT_TRUE(slow.ended());

  HttpClient stalled(server.port());  // what came fast before saves nothing up for later
  ASSERT_TRUE(stalled.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n" +
                           std::string(40'000, ' ')));
  EXPECT_EQ(stalled.response(milliseconds(2000)).status, 408);

  HttpClient steady(server.port());  // as long in all, but faster than the least
  const std::string body = question(5, 3, false) + std::string(10'000, ' ');
  ASSERT_TRUE(steady.send("POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n"));
  for (size_t at = 0; at < body.size(); at += 1000) {
    ASSERT_TRUE(steady.send(body.substr(at, 1000)));
    std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_EQ(steady.response().status, 200);
}

// What frames a body is none of it: half a chunk's size, or an extension without end, holds no place.
TEST(ServerLimits, SlowChunks) {
  ServerSetup setup;
  setup.options.limits.header_time = milliseconds(300);
  TestServer server(std::move(setup));
  const std::string head = "POST /ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2";
  HttpClient half(server.port());
  ASSERT_TRUE(half.send(head));
  EXPECT_EQ(half.response(milliseconds(2000)).status, 408);
  EXPECT_TRUE(half.ended());

  HttpClient dribble(server.port());
  ASSERT_TRUE(dribble.send(head + ";"));
  for (int i = 0; i < 60 && dribble.send("x"); ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(dribble.response(milliseconds(2000)).status, 408);

  HttpClient large(server.port());  // sent, and left
  large.send(head + ";" + std::string(100'000, 'x'));
  EXPECT_EQ(large.response(milliseconds(2000)).status, 408);
}

TEST(ServerLimits, Connections) {
  ServerSetup setup;
  setup.options.limits.connections = 3;
  TestServer server(std::move(setup));
  ASSERT_TRUE(test::within(milliseconds(5000), [&] { return server.server().counters().connections == 0; }));
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(std::make_unique<HttpClient>(server.port()));
  ASSERT_TRUE(test::within(milliseconds(5000), [&] { return server.server().counters().connections == 3; }));
  Response refused = ask(server.port(), "GET", "/health");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers["retry-after"], "2");
  for (const auto& client : clients) {
    ASSERT_TRUE(client->send(request_text("GET", "/health")));
    EXPECT_EQ(client->response().status, 200);
  }
  clients.pop_back();
  EXPECT_TRUE(
      test::within(milliseconds(5000), [&] { return ask(server.port(), "GET", "/health").status == 200; }));
}

TEST(Server, CountsAndLogsWithoutWhatIsSaid) {
  TestServer server({.keys = "secret-key-1"});
  ask(server.port(), "POST", "/ask?token=secret-query", question(5, 3, false), "x-api-key: secret-key-1\r\n");
  ask(server.port(), "GET", "/nowhere");
  const Response metrics = ask(server.port(), "GET", "/metrics", "", "x-api-key: secret-key-1\r\n");
  EXPECT_THAT(metrics.body, HasSubstr("varve_completion_tokens_total 3\n"));
  EXPECT_THAT(metrics.body, HasSubstr("varve_http_requests_total{status=\"401\"} 1\n"));
  EXPECT_THAT(metrics.body, HasSubstr("varve_first_token_seconds_count 1\n"));
  EXPECT_THAT(metrics.body, HasSubstr("varve_queue_seconds_bucket{le=\"+Inf\"} 1\n"));
  ASSERT_TRUE(test::within(milliseconds(5000), [&] { return server.log().size() >= 4; }));
  bool found = false;
  for (const RequestRecord& record : server.log()) {
    for (const LogFormat format : {LogFormat::text, LogFormat::json})
      EXPECT_THAT(log_line(record, format), testing::Not(HasSubstr("secret")));
    if (record.path != "/ask") continue;
    found = true;
    EXPECT_EQ(record.status, 200);
    EXPECT_EQ(record.prompt_tokens, 5);
    EXPECT_EQ(record.completion_tokens, 3);
    EXPECT_GT(record.bytes, 0);
  }
  EXPECT_TRUE(found);
}

TEST(Server, RefusesToListen) {
  const ApiKeys none;
  const auto error_of = [&](ServerOptions options) {
    return test::error_of([&] { const Server server(std::move(options), none); });
  };
  const TestServer first;
  EXPECT_THAT(error_of({.port = first.port()}), HasSubstr("the address is in use"));
  EXPECT_THAT(error_of({.host = "0.0.0.0", .port = 0}), HasSubstr("no API key is set"));
  EXPECT_THAT(error_of({.host = "::", .port = 0}), HasSubstr("no API key is set"));
  EXPECT_THAT(error_of({.host = "192.0.2.1", .port = 0, .insecure = true}),
              HasSubstr("does not have that address"));
  EXPECT_THAT(error_of({.port = 0, .tls_certificate = "/nothing.pem"}), HasSubstr("--tls-key"));
  EXPECT_THAT(error_of({.port = 0, .tls_certificate = "/nothing.pem", .tls_key = "/nothing.pem"}),
              HasSubstr("/nothing.pem"));
  EXPECT_THAT(error_of({.port = 0, .rules = {.hosts = {"http://x"}}}), HasSubstr("is not a host name"));
  EXPECT_EQ(error_of({.host = "0.0.0.0", .port = 0, .insecure = true}), "");
  EXPECT_EQ(error_of({.host = "localhost", .port = 0}), "");
}

}  // namespace
}  // namespace varve::http

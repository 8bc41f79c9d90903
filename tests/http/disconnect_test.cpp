// Clients that leave: whatever they asked is cancelled at once, and nobody else is touched.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "http/harness.h"

namespace varve::http {
namespace {

using std::chrono::milliseconds;
using test::ask;
using test::HttpClient;
using test::question;
using test::request_text;
using test::ServerSetup;
using test::TestServer;

constexpr auto kCancelled = milliseconds(250);

struct Case {
  bool reset;
  bool stream;
};

class Disconnect : public testing::TestWithParam<Case> {};

TEST_P(Disconnect, WhileItWrites) {
  TestServer server;
  server.model().step_microseconds = 10'000;
  HttpClient client(server.port());
  ASSERT_TRUE(client.send(request_text("POST", "/ask", question(5, 400, GetParam().stream))));
  ASSERT_TRUE(test::within(milliseconds(5000), [&] {
    return server.thread().metrics().completion_tokens > 2 || !GetParam().stream;
  }));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.running == 1; }));
  client.leave(GetParam().reset);
  EXPECT_TRUE(server.nothing_is_held(kCancelled));
  EXPECT_EQ(server.thread().metrics().cancelled, 1);
}

TEST_P(Disconnect, WhileItComputesThePrompt) {
  TestServer server;
  server.model().row_microseconds = 1'000;  // a step of 32 rows: 32 ms; the prompt: half a second
  HttpClient client(server.port());
  ASSERT_TRUE(client.send(request_text("POST", "/ask", question(480, 20, GetParam().stream))));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.running == 1; }));
  client.leave(GetParam().reset);
  EXPECT_TRUE(server.nothing_is_held(kCancelled));
  EXPECT_EQ(server.thread().metrics().completion_tokens, 0);
}

TEST_P(Disconnect, WhileItWaits) {
  TestServer server({.sequences = 1});
  server.model().step_microseconds = 10'000;
  HttpClient running(server.port()), waiting(server.port());
  ASSERT_TRUE(running.send(request_text("POST", "/ask", question(5, 200, true))));
  ASSERT_TRUE(running.read_until("data: token"));
  ASSERT_TRUE(waiting.send(request_text("POST", "/ask", question(5, 20, GetParam().stream))));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.waiting == 1; }));
  waiting.leave(GetParam().reset);
  EXPECT_TRUE(test::within(kCancelled, [&] { return server.thread().unfinished() == 1; }));
  // The other goes on to its end.
  const test::Response response = running.response();
  EXPECT_EQ(test::count_of(response.body, "data: token"), 200);
  EXPECT_EQ(test::count_of(response.body, "data: done"), 1);
}

INSTANTIATE_TEST_SUITE_P(Ways, Disconnect,
                         testing::Values(Case{false, true}, Case{true, true}, Case{false, false},
                                         Case{true, false}));

/// VARVE_TEST_DISCONNECTS clients, or a thousand, several at once, each leaving where chance says, some not
/// at all.
TEST(Disconnects, AtRandomLeaveNothingBehind) {
  const char* wanted = std::getenv("VARVE_TEST_DISCONNECTS");
  const int clients = wanted ? std::atoi(wanted) : 1000;
  constexpr int kAtOnce = 8;
  TestServer server({.queue = {.requests = 6}, .sequences = 3});
  server.model().step_microseconds = 200;
  std::atomic<int> next{0}, whole{0}, wrong{0};
  const auto whole_answer = ask(server.port(), "POST", "/ask", question(40, 30, false)).body;
  const auto client_loop = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    while (next++ < clients) {
      HttpClient client(server.port());
      const bool stream = random() % 2 == 0;
      const std::string text = request_text("POST", "/ask", question(40, 30, stream));
      const auto way = random() % 6;
      if (way == 0) {  // in the middle of the request
        client.send(text.substr(0, random() % text.size()));
      } else if (way == 1) {  // to the end
        client.send(text);
        const test::Response response = client.response(milliseconds(30'000));
        if (response.status == 200 && !stream && response.body != whole_answer) ++wrong;
        if (response.status != 200 && response.status != 429) ++wrong;
        if (stream && response.status == 200 && test::count_of(response.body, "data: done") != 1) ++wrong;
        whole += response.status == 200;
      } else {
        client.send(text);
        const auto wait = random() % 12;
        if (wait > 2) client.read_some(milliseconds(wait));
      }
      client.leave(random() % 2 == 0);
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kAtOnce; ++i) threads.emplace_back(client_loop, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(server.nothing_is_held(milliseconds(5000)));
  EXPECT_TRUE(test::within(milliseconds(5000), [&] { return server.server().counters().connections == 0; }));
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(whole, 0);
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(40, 30, false)).body, whole_answer);
}

}  // namespace
}  // namespace varve::http

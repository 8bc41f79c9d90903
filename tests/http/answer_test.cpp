// Answers of the model: streams and whole bodies, errors before and after the first event, and their ends.
#include "http/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/harness.h"

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

std::vector<int32_t> ids_of(const std::string& line) {
  std::vector<int32_t> ids;
  std::istringstream words(line);
  for (int32_t id = 0; words >> id;) ids.push_back(id);
  return ids;
}

TEST(Answer, IsWhatTheEngineSays) {
  TestServer server;
  const auto wanted =
      test::expected(server.model().fake(), test::random_prompt(1, 7), {.temperature = 0.0}, 6);
  Response whole = ask(server.port(), "POST", "/ask", question(7, 6, false));
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(ids_of(whole.body), wanted);
  Response stream = ask(server.port(), "POST", "/ask", question(7, 6, true));
  EXPECT_EQ(stream.headers["content-type"], "text/event-stream");
  EXPECT_EQ(stream.headers["cache-control"], "no-cache");
  EXPECT_THAT(stream.body, testing::StartsWith("data: start 0\n\n"));
  for (const int32_t id : wanted) EXPECT_THAT(stream.body, HasSubstr("data: token 0 " + std::to_string(id)));
  EXPECT_THAT(stream.body, EndsWith("data: end 0 length\n\ndata: done\n\n"));
}

TEST(Answer, OfSeveralRequestsAndChoices) {
  TestServer server;
  const Response whole = ask(server.port(), "POST", "/ask", question(7, 4, false, 1, 3));
  std::istringstream lines(whole.body);
  std::string line;
  for (uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(ids_of(line),
              test::expected(server.model().fake(), test::random_prompt(i, 7), {.temperature = 0.0}, 4));
  }
  const Response stream = ask(server.port(), "POST", "/ask", question(7, 4, true, 1, 3));
  EXPECT_EQ(count_of(stream.body, "data: done"), 1);
  for (const char* choice : {"0", "1", "2"}) {
    EXPECT_EQ(count_of(stream.body, std::string("data: token ") + choice), 4);
    EXPECT_EQ(count_of(stream.body, std::string("data: end ") + choice), 1);
  }
}

TEST(Answer, OfSeveralChoicesOfEachRequest) {
  TestServer server;
  const Response stream = ask(server.port(), "POST", "/ask", question(7, 4, true, 3, 2));
  EXPECT_EQ(count_of(stream.body, "data: done"), 1);
  for (int choice = 0; choice < 6; ++choice)
    EXPECT_EQ(count_of(stream.body, "data: end " + std::to_string(choice) + " length"), 1) << stream.body;
  EXPECT_EQ(count_of(stream.body, "data: token"), 24);
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(7, 4, false, 1000)).status, 400);
  EXPECT_TRUE(server.nothing_is_held(milliseconds(1000)));
}

TEST(Answer, SaysWhatIsWrongBeforeItBegins) {
  TestServer server;
  const auto refused = [&](const std::string& body) { return ask(server.port(), "POST", "/ask", body); };
  for (const std::string& wrong : std::vector<std::string>{
           "", "nonsense", "[1]", "{\"a\": 1, \"a\": 2}", std::string(100, '[') + std::string(100, ']'),
           "{\"unknown\": 1}", "{\"stream\": true, \"unknown\": 1}", question(1000, 3, true),
           question(0, 3, false), question(5, 0, false), question(5, 3, false, 1, 0), "\xff\xfe"}) {
    const Response response = refused(wrong);
    EXPECT_EQ(response.status, 400) << wrong << response.body;
    EXPECT_THAT(response.body, HasSubstr("test error 400")) << wrong;
  }
  EXPECT_THAT(refused("{\"unknown\": 1}").body, HasSubstr("unknown: unknown is no member"));
  const Response bug = refused("{\"bug\": 1}");
  EXPECT_EQ(bug.status, 500);
  EXPECT_THAT(bug.body, testing::Not(HasSubstr("a bug in the protocol")));  // what it says is in the log
  EXPECT_EQ(refused(question(5, 3, false)).status, 200);
  EXPECT_TRUE(server.nothing_is_held(milliseconds(1000)));
}

TEST(Answer, FailsWithAStatusOrAnErrorFrame) {
  TestServer server;
  server.model().poison = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 3, false)).status, 500);
  const Response stream = ask(server.port(), "POST", "/ask", question(5, 3, true));
  EXPECT_EQ(stream.status, 200);  // the start was told
  EXPECT_EQ(count_of(stream.body, "data: error"), 1);
  EXPECT_THAT(stream.body, EndsWith("data: done\n\n"));
  server.model().poison = 0.0f;
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 3, false)).status, 200);
}

TEST(Answer, FullQueueIsTold) {
  ServerSetup setup{.queue = {.requests = 1}, .sequences = 1};
  TestServer server(std::move(setup));
  server.model().step_microseconds = 20'000;
  HttpClient running(server.port()), waiting(server.port());
  ASSERT_TRUE(running.send(request_text("POST", "/ask", question(5, 400, true))));
  ASSERT_TRUE(running.read_until("data: token"));
  ASSERT_TRUE(waiting.send(request_text("POST", "/ask", question(5, 3, true))));
  ASSERT_TRUE(
      test::within(milliseconds(5000), [&] { return server.thread().metrics().engine.waiting == 1; }));
  for (const bool stream : {true, false}) {
    Response refused = ask(server.port(), "POST", "/ask", question(5, 3, stream));
    EXPECT_EQ(refused.status, 429);
    EXPECT_GE(std::stoi(refused.headers["retry-after"]), 1);
    EXPECT_GE(std::stoi(refused.headers["retry-after-ms"]), 1000);
  }
  // Of three requests in one call, one could wait: none is left behind.
  running.leave();
  EXPECT_EQ(count_of(waiting.response().body, "data: done"), 1);
  EXPECT_EQ(ask(server.port(), "POST", "/ask", question(5, 300, false, 1, 4)).status, 429);
  EXPECT_TRUE(server.nothing_is_held(milliseconds(2000)));
}

TEST(Answer, PingsWhileItIsSilent) {
  ServerSetup setup{.sequences = 1};
  setup.options.limits.ping = milliseconds(50);
  TestServer server(std::move(setup));
  server.model().step_microseconds = 20'000;
  HttpClient running(server.port()), waiting(server.port());
  ASSERT_TRUE(running.send(request_text("POST", "/ask", question(5, 400, true))));
  ASSERT_TRUE(running.read_until("data: token"));
  ASSERT_TRUE(waiting.send(request_text("POST", "/ask", question(5, 2, true))));
  ASSERT_TRUE(waiting.read_until(": ping\n\n"));  // in the queue
  running.leave();
  const Response response = waiting.response();
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, EndsWith("data: done\n\n"));
  EXPECT_EQ(count_of(response.body, "data: token"), 2);
}

/// More than the kernel's buffers hold for a client that does not read.
constexpr const char* kLongAnswer = R"({"max_tokens": 400, "stream": true, "pad": 50000})";

TEST(Answer, OfAClientThatDoesNotReadIsEnded) {
  ServerSetup setup;
  setup.options.limits.unsent_bytes = 2000;
  setup.options.limits.write_time = milliseconds(500);
  TestServer server(std::move(setup));
  HttpClient slow(server.port());
  slow.small_buffer();
  ASSERT_TRUE(slow.send(request_text("POST", "/ask", kLongAnswer)));
  ASSERT_TRUE(
      test::within(milliseconds(20'000), [&] { return server.server().counters().clients_slow > 0; }));
  EXPECT_TRUE(server.nothing_is_held(milliseconds(2000)));
  EXPECT_EQ(ask(server.port(), "GET", "/health").status, 200);
}

/// A whole answer may be longer than what a stream may leave unread: nobody is slow before it is there.
TEST(Answer, ThatIsLongMakesNoSlowClient) {
  ServerSetup setup;
  setup.options.limits.unsent_bytes = 10;
  TestServer server(std::move(setup));
  const Response response = ask(server.port(), "POST", "/ask", question(5, 100, false));
  EXPECT_EQ(count_of(response.body, " "), 100);
  EXPECT_EQ(server.server().counters().clients_slow, 0);
}

TEST(Answer, OfAClientThatReadsLateHasOneEnd) {
  ServerSetup setup;
  setup.options.limits.unsent_bytes = 2000;
  TestServer server(std::move(setup));
  server.model().step_microseconds = 2'000;  // the answer is not told before the client is found slow
  HttpClient slow(server.port());
  ASSERT_TRUE(slow.send(request_text("POST", "/ask", kLongAnswer)));
  ASSERT_TRUE(
      test::within(milliseconds(20'000), [&] { return server.server().counters().clients_slow > 0; }));
  const Response response = slow.response(milliseconds(20'000));
  EXPECT_TRUE(response.whole);
  EXPECT_EQ(count_of(response.body, "data: broken 503"), 1);
  EXPECT_EQ(count_of(response.body, "data: done"), 0);
  EXPECT_THAT(response.body, EndsWith("data: broken 503\n\n"));
}

}  // namespace
}  // namespace varve::http

// Who may ask: keys, hosts and origins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "http/auth.h"
#include "http/harness.h"
#include "http/origins.h"
#include "support/data.h"
#include "support/errors.h"

namespace varve::http {
namespace {

using test::ask;
using test::question;
using test::Response;
using test::ServerSetup;
using test::TestServer;
using testing::HasSubstr;

HeaderList headers(const std::string& name, const std::string& value) {
  HeaderList list;
  list.add(name, value);
  return list;
}

TEST(ApiKeys, AdmitTheirBearers) {
  ApiKeys keys;
  EXPECT_EQ(keys.admit(HeaderList()), "");
  keys.read({}, "first-key-1, second-key-2\nthird-key-3,,");
  EXPECT_EQ(keys.count(), 3U);
  EXPECT_FALSE(keys.admit(HeaderList()));
  for (const char* key : {"first-key-1", "second-key-2", "third-key-3"}) {
    EXPECT_TRUE(keys.admit(headers("Authorization", std::string("Bearer ") + key)));
    EXPECT_TRUE(keys.admit(headers("authorization", std::string("bearer  ") + key)));
    EXPECT_TRUE(keys.admit(headers("X-Api-Key", key)));
    EXPECT_FALSE(keys.admit(headers("Authorization", key)));
    EXPECT_FALSE(keys.admit(headers("Authorization", std::string("Basic ") + key)));
    EXPECT_FALSE(keys.admit(headers("X-Api-Key", std::string(key) + "x")));
    EXPECT_FALSE(keys.admit(headers("X-Api-Key", std::string(key, 8))));
  }
  EXPECT_FALSE(keys.admit(headers("X-Api-Key", "")));
  HeaderList both = headers("authorization", "Bearer placeholder");
  both.add("x-api-key", "first-key-1");
  EXPECT_TRUE(keys.admit(both));
}

TEST(ApiKeys, ComeFromAFile) {
  const auto file = test::scratch_dir() / "keys";
  ApiKeys keys;
  write_text(file, "# those who may\nfirst-key-1\r\n\n  second-key-2  \n");
  keys.read(file, "more-key-3");
  EXPECT_EQ(keys.count(), 3U);
  EXPECT_TRUE(keys.admit(headers("x-api-key", "second-key-2")));

  // What cannot be used changes nothing, and is never shown.
  for (const std::string& wrong :
       std::vector<std::string>{"", "# none\n", "short\n", "good-key-1\nwith blank in it\n"}) {
    write_text(file, wrong);
    const std::string error = test::error_of([&] { keys.read(file, ""); });
    EXPECT_THAT(error, HasSubstr(file.string()));
    EXPECT_THAT(error, testing::Not(HasSubstr("short\n")));
    EXPECT_THAT(error, testing::Not(HasSubstr("with blank in it")));
    EXPECT_EQ(keys.count(), 3U);
  }
  EXPECT_NE(test::error_of([&] { keys.read("/nowhere/keys", ""); }), "");
}

/// Every route of the real table but the one for probes.
TEST(Routes, WantAKey) {
  TestServer server({.keys = "secret-key-1"});
  int routes_seen = 0, open = 0;
  for (const Route& route : test::test_routes()) {
    ++routes_seen;
    std::string path(route.path);
    if (path.ends_with("/*")) path.back() = 'x';
    const std::string method(route.method);
    if (route.path == "/health") {
      ++open;
      EXPECT_EQ(ask(server.port(), method, path).status, 200);
      continue;
    }
    EXPECT_TRUE(route.needs_key) << path;
    for (const char* header : {"", "Authorization: Bearer wrong-key-1\r\n", "x-api-key: secret-key-\r\n",
                               "Authorization: secret-key-1\r\n"}) {
      Response response = ask(server.port(), method, path, method == "POST" ? "{}" : "", header);
      EXPECT_EQ(response.status, 401) << method << path;
      EXPECT_EQ(response.headers["www-authenticate"], "Bearer");
    }
    EXPECT_NE(
        ask(server.port(), method, path, method == "POST" ? "{}" : "", "x-api-key: secret-key-1\r\n").status,
        401);
  }
  EXPECT_GE(routes_seen, 6);
  EXPECT_EQ(open, 1);
  EXPECT_EQ(ask(server.port(), "GET", "/nowhere").status, 401);
  EXPECT_EQ(ask(server.port(), "DELETE", "/ask").status, 401);
  EXPECT_EQ(ask(server.port(), "GET", "/nowhere", "", "x-api-key: secret-key-1\r\n").status, 404);
  EXPECT_EQ(ask(server.port(), "GET", "//health").status, 401);
  EXPECT_EQ(ask(server.port(), "GET", "/health/../props").status, 401);
  // New keys hold from the next request on.
  server.keys().read({}, "other-key-2");
  EXPECT_EQ(ask(server.port(), "GET", "/props", "", "x-api-key: secret-key-1\r\n").status, 401);
  EXPECT_EQ(ask(server.port(), "GET", "/props", "", "x-api-key: other-key-2\r\n").status, 200);
}

TEST(Routes, PropsHoldNoSecret) {
  TestServer server({.keys = "secret-key-1"});
  const Response response = ask(server.port(), "GET", "/props", "", "x-api-key: secret-key-1\r\n");
  EXPECT_THAT(response.body, HasSubstr(R"("model":"fake","context":512)"));
  EXPECT_THAT(response.body, HasSubstr(R"("settings":{"parallel":4})"));
  EXPECT_THAT(response.body, testing::Not(HasSubstr("secret")));
}

TEST(Hosts, OtherNamesAreRefused) {
  ServerSetup setup;
  setup.options.rules.hosts = {"models.example.org", "*.LAN"};
  TestServer server(std::move(setup));
  const auto status = [&](const std::string& host) {
    return ask(server.port(), "GET", "/health", "", "Host: " + host + "\r\n").status;
  };
  for (const char* host :
       {"localhost", "LOCALHOST:8080", "a.localhost", "127.0.0.1", "127.0.0.1:1234", "[::1]:80",
        "models.example.org", "Models.Example.Org:443", "box.lan", "localhost."})
    EXPECT_EQ(status(host), 200) << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.1",
                           "evilmodels.example.org", "lan", "0.0.0.0", "[::1"})
    EXPECT_EQ(status(host), 421) << host;
}

TEST(Hosts, TheAddressItselfAndAnyWhereSaid) {
  ServerSetup setup;
  setup.options.host = "127.0.0.1";
  setup.options.rules.hosts = {"*"};
  TestServer server(std::move(setup));
  EXPECT_EQ(ask(server.port(), "GET", "/health", "", "Host: any.example\r\n").status, 200);
  HttpRequest request{.local_host = "10.1.2.3"};
  request.headers.add("host", "10.1.2.3:8080");
  EXPECT_FALSE(check_host(request, {}));
  request.local_host = "10.1.2.4";
  EXPECT_EQ(check_host(request, {}).value().status, 421);
}

TEST(Origins, NoneMayAskByDefault) {
  TestServer server;
  Response response = ask(server.port(), "GET", "/health", "", "Origin: https://evil.example\r\n");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.headers.count("access-control-allow-origin"), 0U);
  response = ask(server.port(), "OPTIONS", "/ask", "",
                 "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.headers.count("access-control-allow-origin"), 0U);
  EXPECT_EQ(ask(server.port(), "GET", "/health", "", "Origin: null\r\n").status, 403);
  // A page of the server's own.
  const std::string own = "localhost:" + std::to_string(server.port());
  EXPECT_EQ(
      ask(server.port(), "GET", "/health", "", "Host: " + own + "\r\nOrigin: http://" + own + "\r\n").status,
      200);
}

TEST(Origins, ThoseNamedMayAsk) {
  ServerSetup setup{.keys = "secret-key-1"};
  setup.options.rules.origins = {"https://chat.example.org"};
  TestServer server(std::move(setup));
  const std::string origin = "Origin: https://chat.example.org\r\n";
  Response response = ask(server.port(), "OPTIONS", "/ask", "",
                          origin +
                              "Access-Control-Request-Method: POST\r\n"
                              "Access-Control-Request-Headers: authorization, x-stainless-os\r\n");
  EXPECT_EQ(response.status, 204);  // browsers send no key with it
  EXPECT_EQ(response.headers["access-control-allow-origin"], "https://chat.example.org");
  EXPECT_EQ(response.headers["access-control-allow-methods"], "POST, OPTIONS");
  EXPECT_EQ(response.headers["access-control-allow-headers"], "authorization, x-stainless-os");
  EXPECT_EQ(response.headers.count("access-control-allow-credentials"), 0U);
  EXPECT_EQ(response.headers["vary"], "Origin");
  const std::string key = "Authorization: Bearer secret-key-1\r\n";
  for (const bool stream : {true, false}) {
    response = ask(server.port(), "POST", "/ask", question(5, 2, stream), origin + key);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers["access-control-allow-origin"], "https://chat.example.org");
    EXPECT_EQ(response.headers.count("access-control-allow-credentials"), 0U);
  }
  // The page is told what is wrong, too.
  response = ask(server.port(), "POST", "/ask", "{}", origin);
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers["access-control-allow-origin"], "https://chat.example.org");
  for (const char* other : {"https://chat.example.org.evil.example", "http://chat.example.org",
                            "https://chat.example.org:444", "https://xchat.example.org"})
    EXPECT_EQ(ask(server.port(), "GET", "/health", "", std::string("Origin: ") + other + "\r\n").status, 403);
}

TEST(Origins, RulesThatCannotBeMeant) {
  for (const char* host : {"", "a b", "http://x", "x:80", "a*b", "*.a.*"})
    EXPECT_TRUE(refuse(OriginRules{.hosts = {host}})) << host;
  for (const char* origin : {"", "chat.example.org", "https://", "https://x/path", "https://*.x"})
    EXPECT_TRUE(refuse(OriginRules{.origins = {origin}})) << origin;
  EXPECT_FALSE(
      refuse(OriginRules{.hosts = {"*", "*.x.org", "x"}, .origins = {"*", "https://x", "app://y:1"}}));
}

}  // namespace
}  // namespace varve::http

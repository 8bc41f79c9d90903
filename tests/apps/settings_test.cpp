// Options as settings: what wins, what is refused, and what `varve config` says of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "apps/run_binary.h"
#include "core/file.h"
#include "core/json.h"
#include "option_value.h"
#include "support/data.h"

namespace varve::app {
namespace {

using test::Outcome;
using test::run_varve;
using testing::HasSubstr;

std::string config_file_of(const std::string& text) {
  const auto file = test::scratch_dir() / "config.toml";
  write_text(file, text);
  return file.string();
}

Outcome config(const std::string& toml, const std::map<std::string, std::string>& environment = {}) {
  return run_varve({"config", "--json", "--config", config_file_of(toml)}, {.environment = environment});
}

Value setting(const Outcome& outcome, const std::string& name) {
  const Result<Value> shown = json::parse(outcome.out);
  if (!shown) return {};
  const Value* one = shown.value().find_path("serve." + name);
  return one ? *one : Value();
}

TEST(Settings, EnvironmentWinsOverFileOverDefault) {
  const Outcome outcome = config(
      "[serve]\nport = 9000\nparallel = 3\ncache-memory = \"2GiB\"\nallow-host = [\"a.org\", \"b.org\"]\n"
      "insecure = true\ntemperature = 0.5\nmodel = \"mine\"\n",
      {{"VARVE_SERVE_PORT", "9001"},
       {"VARVE_SERVE_PING_SECONDS", "2.5"},
       {"VARVE_SERVE_CORS_ORIGIN", "https://a"}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(setting(outcome, "port.value"), Value(9001));
  EXPECT_EQ(setting(outcome, "port.from"), Value("VARVE_SERVE_PORT"));
  EXPECT_EQ(setting(outcome, "parallel.value"), Value(3));
  EXPECT_THAT(setting(outcome, "parallel.from").text(), testing::EndsWith("config.toml:3"));
  EXPECT_EQ(setting(outcome, "cache-memory.value"), Value(int64_t{1} << 31));
  EXPECT_EQ(setting(outcome, "allow-host.value"), Value(Array{Value("a.org"), Value("b.org")}));
  EXPECT_EQ(setting(outcome, "insecure.value"), Value(true));
  EXPECT_EQ(setting(outcome, "temperature.value"), Value(0.5));
  EXPECT_EQ(setting(outcome, "model.value"), Value("mine"));
  EXPECT_EQ(setting(outcome, "ping-seconds.value"), Value(2.5));
  EXPECT_EQ(setting(outcome, "cors-origin.value"), Value(Array{Value("https://a")}));
  EXPECT_EQ(setting(outcome, "queue-requests.from"), Value("default"));
}

TEST(Settings, TheEnvironmentHoldsListsAndFlags) {
  const Outcome outcome = config("", {{"VARVE_SERVE_ALLOW_HOST", R"(["a.org", "b.org"])"},
                                      {"VARVE_SERVE_LOG_REQUESTS", "1"},
                                      {"VARVE_SERVE_CACHE_MEMORY", "512MB"},
                                      {"VARVE_SERVE_HOST", ""}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(setting(outcome, "allow-host.value"), Value(Array{Value("a.org"), Value("b.org")}));
  EXPECT_EQ(setting(outcome, "log-requests.value"), Value(true));
  EXPECT_EQ(setting(outcome, "cache-memory.value"), Value(512'000'000));
  EXPECT_EQ(setting(outcome, "host.from"), Value("default"));
}

TEST(Settings, WhatCannotBeMeantIsNamed) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"[serve]\nprot = 1\n", "config.toml:2: there is no setting 'prot' in [serve]\n  Did you mean 'port'?"},
      {"[srve]\n", "there is no table [srve]"},
      {"serve = 1\n", "'serve' is not a table"},
      {"[serve]\nport = 70000\n", "config.toml:2: port: '70000' is not a whole number from 0 to 65535"},
      {"[serve]\nport = \"80\"\n", "port: it is a text, not a number"},
      {"[serve]\nprecision = \"fat\"\n", "'fat' is not one of fast, exact"},
      {"[serve]\ncache-memory = \"4XB\"\n", "'4XB' is not a number of bytes"},
      {"[serve]\nallow-host = \"a\"\n", "it is a text, not a list of texts"},
      {"[serve\n", "config.toml:1"}};
  for (const auto& [toml, message] : wrong) {
    const Outcome outcome = config(toml);
    EXPECT_EQ(outcome.code, 1) << toml;
    EXPECT_EQ(outcome.out, "") << toml;
    EXPECT_THAT(outcome.err, HasSubstr(message)) << toml;
  }
  Outcome outcome = config("", {{"VARVE_SERVE_PRT", "1"}});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("Did you mean 'VARVE_SERVE_PORT'?"));
  outcome = config("", {{"VARVE_SERVE_PORT", "many"}});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("VARVE_SERVE_PORT: 'many' is not a whole number"));
  outcome = config("", {{"VARVE_SERVE_INSECURE", "maybe"}});
  EXPECT_THAT(outcome.err, HasSubstr("'maybe' is not one of 1, true, 0, false"));
  EXPECT_EQ(run_varve({"config", "--config", "/nowhere/config.toml"}).code, 1);
}

TEST(Settings, TheTableNamesEverySettingAndNoSecret) {
  const Outcome outcome = run_varve({"config"}, {.environment = {{"VARVE_API_KEYS", "secret-key-1"}}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::StartsWith("config file: none\n\n[serve]\n"));
  for (const char* name : {"model ", "host ", "port ", "cache-memory ", "shutdown-seconds ", "top-p "})
    EXPECT_THAT(outcome.out, HasSubstr(std::string("\n") + name));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("secret")));
}

TEST(Settings, BytesWithUnits) {
  EXPECT_EQ(read_bytes("4096"), 4096);
  EXPECT_EQ(read_bytes("1.5GB"), 1'500'000'000);
  EXPECT_EQ(read_bytes("4 GB"), 4'000'000'000);
  EXPECT_EQ(read_bytes("2MiB"), 2 << 20);
  for (const char* wrong : {"", "GB", "-1GB", "4gb", "1e3", "0.3B", "4GBs", "99999999999TB", "nan"})
    EXPECT_FALSE(read_bytes(wrong)) << wrong;
}

}  // namespace
}  // namespace varve::app
